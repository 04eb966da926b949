"""What `new` and `import-inventory` do: write a first plan, to be looked through by a person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from migrator import planfile


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an inventory does not say."""

    migration: str | None = None  # None: as the file is named
    target: str | None = None  # `[user@]host`; None: this machine
    target_root: str = "/srv"
    wave_size: int = 10  # applications, where the inventory has no waves


@dataclass(frozen=True, slots=True)
class Answers:
    """What a person says of the first thing that is to move; places are `[user@]host:/path`, or a path of here."""

    migration: str
    application: str
    source: str
    target: str


def draft_from_inventory(inventory: Path, wanted: Wanted) -> str:
    """A plan, as YAML, with what the inventory lists. Raises UsageError."""
    return planfile.draft_from_inventory(
        inventory,
        migration=wanted.migration or inventory.stem,
        target=wanted.target,
        target_root=wanted.target_root,
        wave_size=wanted.wave_size,
    )


def draft_from_answers(answers: Answers) -> str:
    """A plan, as YAML, for one application. Raises UsageError."""
    return planfile.draft_of_one(answers.migration, answers.application, answers.source, answers.target)
