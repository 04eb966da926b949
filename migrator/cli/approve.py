"""`migrator approve`: say yes at a gate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from migrator.cli.options import Chosen, PlanFile
from migrator.cli.session import Session
from migrator.cli.words import gate as gate_of
from migrator.cli.words import gates_starting, moment
from migrator.domain.phases import Gate
from migrator.errors import UsageError

GateName = Annotated[
    str,
    typer.Argument(
        metavar="GATE",
        autocompletion=gates_starting,
        help=f"One of: {' '.join(Gate)}; or one that the plan adds.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Validity:
    """When an approval counts; moments in ISO 8601, in the plan's time zone unless they name another."""

    not_before: Annotated[str | None, typer.Option(metavar="TIME", help="It counts from this moment on.")] = None
    not_after: Annotated[str | None, typer.Option(metavar="TIME", help="It counts up to this moment.")] = None


@dataclass(frozen=True, slots=True)
class Signing:
    """How a signature comes about, where it is made."""

    key: Annotated[Path | None, typer.Option(metavar="FILE", help="Sign with this SSH key.")] = None
    request: Annotated[Path | None, typer.Option(metavar="FILE", help="Write what is to be signed elsewhere.")] = None
    take_in: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Take in a request that was signed as FILE.sig.")
    ] = None


def approve(
    session: Session, plan: PlanFile, gate: GateName, chosen: Chosen, validity: Validity, signing: Signing
) -> int:
    """Say yes at a gate. Recorded for the current user or a signer, and for exactly this plan."""
    from migrator import bootstrap

    if sum(each is not None for each in (signing.key, signing.request, signing.take_in)) > 1:
        raise UsageError("`--key`, `--request` and `--import` exclude each other", hint="say one of them")
    loaded = bootstrap.load(plan)
    not_before = moment(validity.not_before, loaded.timezone, "--not-before")
    not_after = moment(validity.not_after, loaded.timezone, "--not-after")
    if not_before is not None and not_after is not None and not_after <= not_before:
        raise UsageError(
            "the approval would end before it begins", hint="`--not-after` must be later than `--not-before`"
        )
    selection = bootstrap.Selection(chosen.wave, chosen.application)
    gate = gate_of(gate, loaded.added_gates)
    asked = bootstrap.Asked(loaded, gate, selection, session.state, not_before, not_after)
    if signing.request is not None:
        name = bootstrap.request(asked, signing.request)
        told = {"application": name, "gate": gate, "waived": asked.waived_by(name), "path": str(signing.request)}
        words = f"{name}: sign `{signing.request}`, then `--import` it{_waiving(asked.waived_by(name))}"
        session.screen.fact("approval.requested", told, words)
        return 0
    if signing.take_in is not None:
        approved = bootstrap.take_in(asked, signing.take_in)
    else:
        approved = bootstrap.approve(asked, signing.key)
    for application in approved:
        told = {"application": application, "gate": gate, "waived": asked.waived_by(application)}
        words = f"{application}: gate `{gate}` approved{_waiving(asked.waived_by(application))}"
        session.screen.fact("approval.recorded", told, words)
    return 0


def _waiving(waived: tuple[str, ...]) -> str:
    return f"; unverified may stay behind: {'; '.join(waived)}" if waived else ""
