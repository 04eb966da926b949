"""What `limit` does: set the bandwidth of an endpoint for the runs under way."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from migrator import planfile
from migrator.bootstrap.selection import named
from migrator.bootstrap.session import operator
from migrator.domain.plan import Plan
from migrator.domain.reports import LiveLimit
from migrator.errors import Refused
from migrator.journal.folder import StateFolder
from migrator.journal.limits import is_run_under_way, set_limit

NO_LIMIT = "none"


def limit(plan: Plan, endpoint: str, rate: str, state: Path) -> LiveLimit:
    """Set it, in words of the plan or as `none`; UsageError for an unknown name or rate, Refused when nothing runs."""
    spec = named(plan.endpoints, endpoint, "the plan has no endpoint named")
    bytes_per_second = None if rate == NO_LIMIT else planfile.rate(rate)
    folder = StateFolder(state, plan.migration)
    if not is_run_under_way(folder):
        raise Refused(
            "no run is under way that could be limited",
            hint="the next one goes by `limits.bandwidth` of the endpoint: change the plan",
        )
    found = LiveLimit(spec.name, bytes_per_second, operator(), dt.datetime.now(dt.UTC))
    set_limit(folder, found)
    return found
