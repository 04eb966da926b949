"""What `approve` does: say yes by name or by signature, or write down what is to be signed elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from migrator.bootstrap.selection import Selection, the_wave
from migrator.bootstrap.session import operator
from migrator.domain.entries import display
from migrator.domain.phases import Gate, Phase
from migrator.domain.plan import Application, Plan
from migrator.errors import PlanChanged, Refused, UsageError
from migrator.evidence.signatures import NAMESPACE, sign
from migrator.evidence.statements import read_statement, statement
from migrator.journal.application import ApplicationView
from migrator.journal.folder import StateFolder
from migrator.journal.inbox import Approval, post_approval
from migrator.orchestration.gates import bound_to, demand_of, new_approval, signed_by
from migrator.orchestration.itinerary import has_gate
from migrator.steps.looking_back import changes_told, count_of


@dataclass(frozen=True)
class Asked:
    """What is to be approved, and when that is to hold."""

    plan: Plan
    gate: str
    selection: Selection
    state: Path
    not_before: dt.datetime | None = None
    not_after: dt.datetime | None = None

    @property
    def folder(self) -> StateFolder:
        """Where the approvals go."""
        return StateFolder(self.state, self.plan.migration)

    def waived_by(self, application: str) -> tuple[str, ...]:
        """What an approval of this lets stay behind unverified in `application`, with the reasons, for people."""
        if self.gate != Gate.SWITCH_OVER:
            return ()
        waivers = [waiver for each in self.plan.applications if each.name == application for waiver in each.waivers]
        return tuple(f"{each.dataset}/{display(each.path)}: {each.reason}" for each in waivers)


def approve(asked: Asked, key: Path | None) -> tuple[str, ...]:
    """Record that the current user says yes, with a signature where there is a key; the applications approved.

    Refused where a signature is needed and there is none, or one by a key that the owner's approvers do not have.
    """
    approvals = [_given(asked, application, approval, key) for application, approval in _wanted(asked)]
    asked.folder.create()
    for approval in approvals:
        post_approval(asked.folder, approval)
    return tuple(approval.application for approval in approvals)


def request(asked: Asked, path: Path) -> str:
    """Write what is to be signed into a new file, for one application; its name."""
    wanted = list(_wanted(asked))
    if len(wanted) != 1:
        raise UsageError(
            f"a request is about one application, and {len(wanted)} were chosen", hint="say which: `--application NAME`"
        )
    (application, approval) = wanted[0]
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(statement(approval, asked.plan.migration))
    except OSError as error:
        raise UsageError(
            f"cannot write the request to `{path}`: {error.strerror}", hint="name a file that does not exist yet"
        ) from error
    return application.name


def take_in(asked: Asked, path: Path) -> tuple[str, ...]:
    """Record the approval whose request is the file at `path` and whose signature is beside it (`FILE.sig`)."""
    text, signature = _read(path), _read(Path(f"{path}.sig"))
    approval = read_statement(text, asked.plan.migration, operator(), dt.datetime.now(dt.UTC))
    application = next((each for each in asked.plan.applications if each.name == approval.application), None)
    if application is None or approval.gate != asked.gate:
        raise UsageError(
            f"the request is about gate `{approval.gate}` of `{approval.application}`", hint="name that gate and plan"
        )
    if approval.plan_digest != asked.plan.digest:
        raise PlanChanged(
            f"`{path}` was signed for another state of the plan", hint="write a new request, and have that signed"
        )
    approval = _signed(asked.plan, application, approval, signature)
    asked.folder.create()
    post_approval(asked.folder, approval)
    return (application.name,)


def _wanted(asked: Asked) -> Iterator[tuple[Application, Approval]]:
    wave, applications = the_wave(asked.plan, asked.selection)
    if asked.not_after is not None and asked.not_after <= dt.datetime.now(dt.UTC):
        raise UsageError("the approval would be over already", hint="`--not-after` must lie in the future")
    gated = [application for application in applications if has_gate(application, asked.gate)]
    if not gated:
        raise UsageError(
            f"nothing chosen of wave `{wave.name}` has a gate `{asked.gate}`",
            hint="`freeze` stands before a freeze hook, `switch-over` before a switch, others where the plan adds them",
        )
    for application in gated:
        times = (asked.not_before, asked.not_after)
        root = _root(asked, application)
        yield application, new_approval(asked.plan, asked.gate, application, operator(), times, root=root)


def _root(asked: Asked, application: Application) -> str | None:
    """What an exact approval is bound to; it can be given only once everything is verified, or the loss listed."""
    if not demand_of(asked.plan, application, asked.gate).is_exact:
        return None
    view = ApplicationView.open(asked.folder, application.name)
    if view is not None:
        with view:
            if _is_listed(view, application) if asked.gate == Gate.ACCEPT_LOSS else view.phase is Phase.VERIFIED:
                return bound_to(asked.gate, view)
    if asked.gate == Gate.ACCEPT_LOSS:
        raise Refused(
            f"`{application.name}`: nothing is listed that would be lost",
            hint=f"`migrator fall-back {asked.plan.path} --accept-loss` lists it",
        )
    raise Refused(
        f"`{application.name}` wants its approval for exactly what was copied, and is not verified yet",
        hint="approve it between `verified` and the switch: `migrator run --until verified` goes there",
    )


def _is_listed(view: ApplicationView, application: Application) -> bool:
    is_switched = view.phase in (Phase.SWITCHING, Phase.SWITCHED_OVER)
    told = changes_told(view)
    return is_switched and told is not None and (count_of(told) > 0 or bool(application.waivers))


def _given(asked: Asked, application: Application, approval: Approval, key: Path | None) -> Approval:
    if key is not None:
        return _signed(asked.plan, application, approval, sign(statement(approval, asked.plan.migration), key))
    if demand_of(asked.plan, application, asked.gate).signers:
        raise Refused(
            f"`{application.name}`: gate `{asked.gate}` needs a signature by an approver of `{application.owner}`",
            hint="sign with `--key FILE`, or write a request to be signed elsewhere with `--request FILE`",
        )
    return approval


def _signed(plan: Plan, application: Application, approval: Approval, signature: str) -> Approval:
    """The approval with its signature, once that is known to count."""
    signed = approval._replace(signature=signature)
    allowed = demand_of(plan, application, approval.gate).signers
    if not allowed:
        return signed
    principal = signed_by(plan, signed, allowed)
    if principal is None:
        raise Refused(
            f"`{application.name}`: this signature is not one of the approvers of `{application.owner}`",
            hint=f"the key must stand in the plan's `approvers`, be valid today, and sign for `{NAMESPACE}`",
        )
    return signed._replace(approved_by=principal)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read `{path}`: {error}",
            hint=f"sign the request with `ssh-keygen -Y sign -n {NAMESPACE} -f KEY FILE`, which writes FILE.sig",
        ) from error
