"""Who has said yes to what: approvals from the journal, and those that `--yes` and `accept` give on the spot."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass

from migrator.domain.phases import Gate
from migrator.domain.plan import Application, Plan
from migrator.journal.journal import Approval, Journal


@dataclass(frozen=True)
class Gates:
    """The approvals of one run; `granted` are the gates that its operator approves in passing."""

    plan: Plan
    journal: Journal
    operator: str
    granted: frozenset[Gate] = frozenset()

    def approval(self, gate: Gate, application: Application, used: frozenset[str]) -> str | None:
        """The id of an approval that is valid now and has not been used up; None when the gate is closed."""
        self.journal.absorb_inbox()
        found = self._recorded(gate, application, used)
        if found is None and gate in self.granted:
            self.journal.approve(new_approval(self.plan, gate, application, self.operator))
            found = self._recorded(gate, application, used)
        return found

    def _recorded(self, gate: Gate, application: Application, used: frozenset[str]) -> str | None:
        now = dt.datetime.now(dt.UTC)
        approval = self.journal.approval(gate, application.name, self.plan.digest, now, used)
        return None if approval is None else approval.id


def new_approval(
    plan: Plan,
    gate: Gate,
    application: Application,
    by: str,
    not_before: dt.datetime | None = None,
    not_after: dt.datetime | None = None,
) -> Approval:
    """An approval by `by`, bound to this plan, application and gate."""
    now = dt.datetime.now(dt.UTC)
    return Approval(secrets.token_hex(16), gate, application.name, plan.digest, by, now, not_before, not_after)
