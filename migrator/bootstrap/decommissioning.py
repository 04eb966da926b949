"""What `decommission` does: take in what the provider attests, retire the source, hand out the close-out lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from migrator.bootstrap.selection import Selection, the_wave
from migrator.bootstrap.session import open_session, operator
from migrator.domain.events import OnEvent
from migrator.domain.phases import Gate, Phase
from migrator.domain.plan import Application, Plan
from migrator.domain.reports import WaveReport
from migrator.errors import LocalFault, UsageError
from migrator.journal.folder import StateFolder
from migrator.journal.papers import Papers
from migrator.orchestration.journey import Halt, Journey
from migrator.steps.decommission import LIST, LIST_FOR_PROGRAMS, list_again

_LARGEST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class ClosePapers:
    """What the provider attests, and where the close-out lists are wanted."""

    attestation: Path | None = None
    out: Path | None = None


def decommission(
    plan: Plan, selection: Selection, papers: ClosePapers, *, state: Path, on_event: OnEvent
) -> WaveReport:
    """Retire the sources of what is accepted. This command is itself the approval."""
    wave, applications = the_wave(plan, selection)
    attested = None if papers.attestation is None else _content(papers.attestation)

    def act(journey: Journey) -> Halt | None:
        if attested is not None and papers.attestation is not None and journey.is_at_least(Phase.ACCEPTED):
            digest = journey.scene.journal.attest(papers.attestation.name, attested, operator())
            journey.scene.note(f"the attestation `{papers.attestation.name}` is kept, SHA-256 {digest}")
            if journey.is_at_least(Phase.DECOMMISSIONED):
                list_again(journey.scene)
        return journey.decommission()

    granted = frozenset({Gate.DECOMMISSION})
    with open_session(
        plan, state, "decommission", [(wave, applications)], on_event, granted=granted, until=Phase.DECOMMISSIONED
    ) as session:
        reports = session.travel(wave, applications, act)
        if papers.out is not None:
            for application in applications:
                _hand_out(session.folder, application, papers.out)
        return session.sum_up("decommission", reports)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"cannot read the attestation `{path}`: {error.strerror}", hint="name the file as the provider sent it"
        ) from error
    if not content or len(content) > _LARGEST_BYTES:
        raise UsageError(
            f"the attestation `{path}` is {'empty' if not content else 'larger than 64 MiB'}",
            hint="name the file as the provider sent it",
        )
    return content


def _hand_out(folder: StateFolder, application: Application, out: Path) -> None:
    """Copy the lists of an application, where it has some by now."""
    kept = Papers(folder, application.name)
    for name in (LIST, LIST_FOR_PROGRAMS):
        content = kept.read(name)
        if content is None:
            continue
        try:
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{application.name}-{name}").write_bytes(content)
        except OSError as error:
            raise LocalFault(
                f"cannot write the close-out list to `{out}`: {error.strerror}",
                hint=f"it is also kept in `{kept.path}`",
            ) from error
