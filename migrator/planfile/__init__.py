"""YAML text becomes a Plan here, or a PlanInvalid that names every complaint with its line and column."""

from __future__ import annotations

from pathlib import Path

from migrator.domain.plan import Plan
from migrator.planfile.changes import differences

__all__ = ["differences", "load", "rate", "schema"]


def load(path: Path) -> Plan:
    """The plan written in the file at `path`; raises PlanInvalid with all complaints at once."""
    from migrator.planfile.loading import load_plan  # noqa: PLC0415 - pydantic and yaml are paid for on first use

    return load_plan(path)


def rate(text: str) -> int:
    """Bytes a second, in the words of a plan (`20 MB/s`); raises UsageError for anything else."""
    from migrator.planfile.rates import rate_of  # noqa: PLC0415 - pydantic is paid for on first use

    return rate_of(text)


def schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of a plan, for editors and CI."""
    from migrator.planfile.json_schema import plan_schema  # noqa: PLC0415 - pydantic is paid for on first use

    return plan_schema()
