"""YAML text becomes a Plan here, or a PlanInvalid that names every complaint with its line and column."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from migrator.domain.plan import Plan
from migrator.domain.saved import SavedPlan
from migrator.planfile.changes import differences
from migrator.planfile.saved_changes import saved_differences

__all__ = [
    "application_places",
    "differences",
    "draft_from_inventory",
    "draft_of_one",
    "load",
    "load_saved",
    "rate",
    "saved_differences",
    "schema",
    "text_of_saved",
]


def load(path: Path) -> Plan:
    """The plan written in the file at `path`; raises PlanInvalid with all complaints at once."""
    from migrator.planfile.loading import load_plan  # noqa: PLC0415 - pydantic and yaml are paid for on first use

    return load_plan(path)


def application_places(path: Path) -> Mapping[str, tuple[int, int]]:
    """The line and column, from 1, where each application of the valid plan at `path` has its name."""
    from migrator.planfile.loading import places_of_applications  # noqa: PLC0415 - yaml is paid for on first use

    return places_of_applications(path)


def rate(text: str) -> int:
    """Bytes a second, in the words of a plan (`20 MB/s`); raises UsageError for anything else."""
    from migrator.planfile.rates import rate_of  # noqa: PLC0415 - pydantic is paid for on first use

    return rate_of(text)


def draft_from_inventory(
    inventory: Path, *, migration: str, target: str | None, target_root: str, wave_size: int
) -> str:
    """A plan, as YAML, of what a CSV inventory lists; `target` is `[user@]host`, None this machine. UsageError."""
    from migrator.planfile import draft  # noqa: PLC0415 - yaml is paid for on first use
    from migrator.planfile.inventory import Wanted, draft_from  # noqa: PLC0415

    side = draft.Side() if target is None else draft.side(target)
    return draft.text_of(draft_from(inventory, Wanted(migration, side, target_root, wave_size)))


def draft_of_one(migration: str, application: str, source: str, target: str) -> str:
    """A plan, as YAML, of one application; its places are `[user@]host:/path`, or a path of here. UsageError."""
    from migrator.planfile.draft import of_one, text_of  # noqa: PLC0415 - yaml is paid for on first use

    return text_of(of_one(migration, application, source, target))


def schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of a plan, for editors and CI."""
    from migrator.planfile.json_schema import plan_schema  # noqa: PLC0415 - pydantic is paid for on first use

    return plan_schema()


def text_of_saved(saved: SavedPlan) -> str:
    """The text of the file that keeps a saved plan."""
    from migrator.planfile.saved import text_of  # noqa: PLC0415 - pydantic is paid for on first use

    return text_of(saved)


def load_saved(path: Path) -> SavedPlan:
    """The saved plan in the file at `path`; raises PlanInvalid for anything but a whole one."""
    from migrator.planfile.saved import read_saved  # noqa: PLC0415 - pydantic is paid for on first use

    return read_saved(path)
