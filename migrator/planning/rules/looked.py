"""What one command found out, by all its applications together: some rules speak only of the whole."""

from __future__ import annotations

from dataclasses import dataclass, field

from migrator.planning.rules.clock_unknown import Clock
from migrator.planning.rules.facts import Facts


@dataclass
class Looked:
    """Filled by several threads at once; each entry is written whole."""

    facts: dict[tuple[str, str], Facts] = field(default_factory=dict)  # by application and dataset
    clocks: dict[str, Clock] = field(default_factory=dict)  # by endpoint

    @property
    def everything(self) -> tuple[Facts, ...]:
        """The facts so far, in the order in which they were found out."""
        return tuple(self.facts.copy().values())
