"""`migrator run`: take a wave along its itinerary."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from migrator.cli.options import Chosen, Consent, PlanFile
from migrator.cli.session import Session
from migrator.cli.words import phases_starting, until_phase
from migrator.domain.phases import UNTIL, Phase
from migrator.domain.prospects import Prospect
from migrator.domain.reports import PlanReport
from migrator.errors import UsageError


@dataclass(frozen=True, slots=True)
class Going:
    """How far `run` goes, and how."""

    until: Annotated[
        Phase | None,
        typer.Option(
            metavar="PHASE",
            parser=until_phase,
            autocompletion=phases_starting,
            help=f"Stop at this phase: {' '.join(UNTIL)}.",
        ),
    ] = None
    saved: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Carry out exactly what `plan --out FILE` saved, or refuse: exit 7."),
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do none of it.")] = False
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Hash what a target root already holds, and keep what matches.")
    ] = False
    until_window_ends: Annotated[
        bool, typer.Option("--until-window-ends", help="Keep what is seeded fresh until the window ends: exit 5.")
    ] = False
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Rehearse the cutover beside the real targets; switch nothing.")
    ] = False
    keep_shadow: Annotated[
        bool, typer.Option("--keep-shadow", help="Leave what a rehearsal copied for the next one.")
    ] = False


def run(session: Session, plan: PlanFile, chosen: Chosen, going: Going, consent: Consent) -> int:
    """Take a wave along its itinerary, or go on with it. Stops before the first gate without approval."""
    from migrator import bootstrap

    loaded = bootstrap.load(plan)
    selection = bootstrap.Selection(chosen.wave, chosen.application)
    _refuse_what_does_not_fit(going, consent)
    if going.rehearse:
        with session.screen.progress() as progress:
            report = bootstrap.rehearse(
                loaded, selection, keep_shadow=going.keep_shadow, state=session.state, on_event=progress
            )
        session.screen.wave(report)
        return report.exit_code
    saved = None if going.saved is None else bootstrap.load_saved(going.saved)
    options = bootstrap.RunOptions(
        until=going.until, yes=consent.yes, adopt=going.adopt, saved=saved, until_window_ends=going.until_window_ends
    )
    if going.dry_run:
        preview, prospects = bootstrap.dry_run(loaded, selection, options, session.state)
        _show_dry_run(session, preview, prospects)
        return preview.exit_code
    with session.screen.progress() as progress:
        report = bootstrap.run(loaded, selection, options, session.state, progress)
    session.screen.wave(report)
    return report.exit_code


def _show_dry_run(session: Session, preview: PlanReport, prospects: Iterable[Prospect]) -> None:
    for each in prospects:
        sentence = f"{each.word}: {each.application}: {each.item}: {each.sentence}"
        session.screen.fact("prospect", dataclasses.asdict(each), sentence)
    session.screen.plan(preview)


def _refuse_what_does_not_fit(going: Going, consent: Consent) -> None:
    if going.keep_shadow and not going.rehearse:
        raise UsageError("`--keep-shadow` belongs to `--rehearse`", hint="a run leaves everything where it is anyway")
    if going.saved is not None and (going.dry_run or going.adopt):
        other = "--dry-run" if going.dry_run else "--adopt"
        raise UsageError(
            f"`--saved` carries out exactly what was saved: {other} does not belong to it",
            hint="`migrator plan PLAN --saved FILE` shows it, and whether it still holds",
        )
    if going.dry_run and going.until_window_ends:
        raise UsageError("`--dry-run` looks once: --until-window-ends says nothing there", hint="leave one of them out")
    others = {
        "--until": going.until is not None,
        "--dry-run": going.dry_run,
        "--adopt": going.adopt,
        "--saved": going.saved is not None,
        "--until-window-ends": going.until_window_ends,
        "--yes": consent.yes,
    }
    given = [option for option, is_given in others.items() if is_given]
    if going.rehearse and given:
        raise UsageError(
            f"`--rehearse` goes the whole way and needs no approval: {given[0]} says nothing there",
            hint="leave it out",
        )
