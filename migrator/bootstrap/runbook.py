"""What `runbook` does: the paper for people, from plan, journal and itinerary; contacts no host, takes no lock."""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Iterator
from pathlib import Path

from migrator.bootstrap.selection import Selection, every_wave
from migrator.domain.durations import duration_text
from migrator.domain.phases import Gate, Phase
from migrator.domain.plan import Application, Plan, Wave
from migrator.domain.stopping import utc_now
from migrator.evidence.markdown import html_page
from migrator.evidence.runbook import Moment, Move, Runbook, WaveBook, page
from migrator.journal.application import ApplicationView
from migrator.journal.folder import StateFolder
from migrator.journal.journal import Journal
from migrator.orchestration.gates import demand_of
from migrator.orchestration.itinerary import CHECK_AFTER, Row, gates_of, rows_from
from migrator.orchestration.reporting import known_of
from migrator.orchestration.times import limit_at, times_of
from migrator.planning.order import by_needs
from migrator.planning.timing import Measures, way_back

# Commands of their own, where `run` does not go by itself.
_OWN_COMMAND = {"accept": "accept", "decommission": "decommission"}
_WHAT = {
    "preflight": "preflight: looks whether the copy can succeed",
    "seed": "seed: the first copy, while people work",
    "freeze": "freeze: writes at the source stop; people wait from here on",
    "final-sync": "final sync: the last changes",
    "verify": "verify: every byte is read again at the target",
    "switch-over": "switch over: the guard, the checks, then the switches in order",
    "check": "check: does it work for users?",
    "accept": "accept: the target is the truth",
    "decommission": "decommission: the source is retired",
}


def runbook(plan: Plan, selection: Selection, state: Path, *, as_html: bool) -> str:
    """The whole way of every wave and application that is chosen, as Markdown or HTML."""
    folder = StateFolder(state, plan.migration)
    journal = Journal.view(folder)
    waves = tuple(_wave(plan, wave, some, folder, journal) for wave, some in every_wave(plan, selection))
    status = f"migrator status {_path(plan)}"
    book = Runbook(plan.migration, str(plan.path), plan.digest, utc_now(), status, waves)
    return html_page(page(book), f"Runbook of {plan.migration}") if as_html else page(book)


def _wave(
    plan: Plan, wave: Wave, some: tuple[Application, ...], folder: StateFolder, journal: Journal | None
) -> WaveBook:
    times = times_of(plan, wave, utc_now())
    moves = tuple(_move(plan, wave, each, folder, journal) for each in by_needs(some))
    return WaveBook(wave.name, "" if times is None else times.sentence, moves)


def _move(plan: Plan, wave: Wave, application: Application, folder: StateFolder, journal: Journal | None) -> Move:
    rehearsal = journal.last_rehearsal(application.name) if journal is not None else None
    view = ApplicationView.open(folder, application.name)
    if view is None:
        phase, known = Phase.PLANNED, known_of(plan, None, rehearsal)
    else:
        with view:
            phase, known = view.phase, known_of(plan, view, rehearsal)
    limit = limit_at(plan, application, phase, known, dt.datetime.now(dt.UTC))
    owner = next((each.name for each in plan.owners if each.key == application.owner), application.owner)
    which = f"--wave {wave.name} --application {application.name}"
    return Move(
        application=application,
        owner=owner or "nobody named",
        phase=phase,
        moments=tuple(_moments(plan, application, which, known)),
        limit="" if limit is None else limit.sentence,
        roll_back=f"migrator roll-back {_path(plan)} {which}",
        fall_back=f"migrator fall-back {_path(plan)} {which}",
        way_back_takes=way_back(application, known).summary,
    )


def _moments(plan: Plan, application: Application, which: str, known: Measures) -> Iterator[Moment]:
    """The whole itinerary from its first step, whatever was done: what is done stands in `status`."""
    run = f"migrator run {_path(plan)} {which}"
    is_to_be_typed = True
    for row in rows_from(Phase.PLANNED):
        for gate in gates_of(row, application):
            if gate not in _OWN_COMMAND:
                command = f"migrator approve {_path(plan)} {gate} {which}"
                yield Moment(f"gate {gate}", "", command, is_gate=True, who=_who(plan, application, gate))
            is_to_be_typed = True
        command = run if is_to_be_typed else ""
        if row.step in _OWN_COMMAND:
            command = f"migrator {_OWN_COMMAND[row.step]} {_path(plan)} {which}"
        yield Moment(_WHAT[row.step], _takes(row, known), command)
        is_to_be_typed = False
        if row.step == "switch-over" and application.checks:
            yield Moment(_WHAT["check"], _takes(CHECK_AFTER, known), "")


def _who(plan: Plan, application: Application, gate: str) -> str:
    demand = demand_of(plan, application, gate)
    people = "two people" if demand.people > 1 else "one person"
    return f"{people}, by signature as an approver of the owner" if demand.signers else people


def _takes(row: Row, known: Measures) -> str:
    part = known.of(row.step)
    if part is None:
        return "" if row.gate in (Gate.ACCEPT, Gate.DECOMMISSION) else "not known: rehearse it"
    return f"{duration_text(part.seconds)}: {part.basis}"


def _path(plan: Plan) -> str:
    return shlex.quote(str(plan.path))
