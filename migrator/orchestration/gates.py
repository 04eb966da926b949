"""Who has said yes to what: approvals from the journal, and those that `--yes` and `accept` give on the spot."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from migrator.domain.entries import Item
from migrator.domain.phases import Gate
from migrator.domain.plan import Application, Plan
from migrator.evidence.manifest_root import manifest_root
from migrator.evidence.signatures import signer
from migrator.evidence.statements import statement
from migrator.journal.journal import Approval, Journal
from migrator.steps.looking_back import changes_told

# The gates that an owner's approvers and a second person are about.
GUARDED = (Gate.SWITCH_OVER, Gate.ACCEPT_LOSS)


@dataclass(frozen=True)
class Demand:
    """What it takes to open a gate of an application."""

    signers: tuple[Path, ...]  # files of allowed signers; empty: a name will do
    people: int  # different ones
    is_exact: bool  # whether it must be bound to what exactly was copied
    waived: int = 0  # places that may stay behind: then `--yes` says too little

    @property
    def words(self) -> str:
        """What is asked for beside a plain yes, for people; empty when nothing is."""
        parts = []
        if self.people > 1:
            parts.append("by two people")
        if self.signers:
            parts.append("signed by an approver of the owner")
        if self.is_exact:
            parts.append("for exactly what it is about")
        if self.waived:
            parts.append(f"with {self.waived} waived by name")
        return f" ({', '.join(parts)})" if parts else ""


@dataclass(frozen=True)
class Question:
    """One gate, for one application, at this moment."""

    plan: Plan
    application: Application
    gate: str
    used: frozenset[str]  # approvals that have opened a gate already
    root: Callable[[], str]  # the digest of what an exact approval is about, asked only where it counts

    @property
    def demand(self) -> Demand:
        """What it takes."""
        return demand_of(self.plan, self.application, self.gate)


@dataclass(frozen=True)
class Gates:
    """The approvals of one run; `granted` are the gates that its operator approves in passing."""

    plan: Plan
    journal: Journal
    operator: str
    granted: frozenset[str] = frozenset()

    def opened_by(self, question: Question) -> tuple[str, ...] | None:
        """The ids of the approvals that open the gate now; None when it is closed."""
        self.journal.absorb_inbox()
        found = opened_by(question, self.journal)
        if found is None and question.gate in self.granted and self._may_say_yes(question):
            self.journal.approve(
                new_approval(self.plan, question.gate, question.application, self.operator, root=_root_of(question))
            )
            found = opened_by(question, self.journal)
        return found

    def _may_say_yes(self, question: Question) -> bool:
        """`--yes` is the operator's own word: no signature, no waiver, no second one by the same person."""
        if question.demand.signers or question.demand.waived:
            return False
        return self.operator not in {name for _, name in _valid(question, self.journal)}


class _Memory(Protocol):
    def items(self) -> Iterator[Item]: ...

    def marked(self, name: str) -> str | None: ...


def bound_to(gate: str, memory: _Memory) -> str:
    """The digest that an exact approval of `gate` is about now: of what would be lost, or of what was copied."""
    if gate == Gate.ACCEPT_LOSS:
        told = changes_told(memory)
        return "nothing was listed yet" if told is None else told.digest
    return manifest_root(memory.items())


def demand_of(plan: Plan, application: Application, gate: str) -> Demand:
    """What it takes to open `gate` of `application`, by the plan."""
    if gate not in GUARDED:
        return Demand((), 1, is_exact=False)
    owner = next((each for each in plan.owners if each.key == application.owner), None)
    signers = owner.approvers if owner is not None else ()
    is_exact = gate == Gate.ACCEPT_LOSS or application.approval == "exact"
    return Demand(signers, 2 if application.two_person else 1, is_exact, len(application.waivers))


def opened_by(question: Question, journal: Journal) -> tuple[str, ...] | None:
    """The ids of recorded approvals, of as many different people as it takes; None when there are not enough."""
    by_person: dict[str, str] = {}
    for approval, person in _valid(question, journal):
        by_person.setdefault(person, approval.id)
        if len(by_person) == question.demand.people:
            return tuple(by_person.values())
    return None


def new_approval(
    plan: Plan,
    gate: str,
    application: Application,
    by: str,
    times: tuple[dt.datetime | None, dt.datetime | None] = (None, None),
    *,
    root: str | None = None,
) -> Approval:
    """An approval by `by`, bound to this plan, application and gate, to `times`, and to a manifest's root if any."""
    now = dt.datetime.now(dt.UTC)
    return Approval(secrets.token_hex(16), gate, application.name, plan.digest, by, now, *times, root)


def signed_by(plan: Plan, approval: Approval, allowed: Sequence[Path]) -> str | None:
    """Whose signature `approval` carries, checked anew against its statement; None where none or a bad one."""
    if approval.signature is None:
        return None
    return signer(statement(approval, plan.migration), approval.signature, allowed)


def _valid(question: Question, journal: Journal) -> Iterator[tuple[Approval, str]]:
    """Recorded approvals that count, the oldest first, each with whose it is."""
    demand, now = question.demand, dt.datetime.now(dt.UTC)
    name, digest = question.application.name, question.plan.digest
    for approval in journal.approvals(question.gate, name, digest, now, question.used):
        if demand.is_exact and approval.manifest_root is None:
            continue
        if approval.manifest_root is not None and approval.manifest_root != question.root():
            continue
        person = signed_by(question.plan, approval, demand.signers) if demand.signers else approval.approved_by
        if person is not None:
            yield approval, person


def _root_of(question: Question) -> str | None:
    return question.root() if question.demand.is_exact else None
