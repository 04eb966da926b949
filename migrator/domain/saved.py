"""A plan with its forecast, kept so that exactly this, and nothing else, is carried out later."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from migrator.domain.reports import PlanReport


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """What `plan --out` keeps.

    It holds for the plan of `report.digest`, and for each application as long as it stands in the phase of the report
    and nothing was recorded of it beyond the row of the chain that `rows` names (0: nothing but that it is planned).
    Approvals are recorded elsewhere, so they can be given between saving and running.
    """

    saved_at: dt.datetime
    saved_by: str
    report: PlanReport
    rows: dict[str, int]  # by application
    content: str  # of the plan: the canonical JSON its digest was taken over
    digest: str = ""  # hexadecimal SHA-256 of the file's content; "" as long as it was not written
