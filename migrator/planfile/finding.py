"""Looking into a plan that may be wrong in places: what is missing or of another kind simply yields nothing.

The rules between parts of a plan look at the text as composed, not at pydantic's objects, so that one wrong value
does not hide the complaints about all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from migrator.planfile.composing import Loc, Value


class Problem(NamedTuple):
    """A rule that is broken at `loc`; `of_key` when the key is to be pointed at, not its value."""

    loc: Loc
    message: str
    hint: str
    of_key: bool = False


class At(NamedTuple):
    """A value of the plan and where it stands; `value` is None when there is none."""

    value: Value | None
    loc: Loc

    def key(self, name: str) -> At:
        """What stands below the key `name`."""
        below = self.value.get(name) if isinstance(self.value, dict) else None
        return At(below, (*self.loc, name))

    def items(self) -> Iterator[At]:
        """The items of a list, in order."""
        if isinstance(self.value, list):
            for index, item in enumerate(self.value):
                yield At(item, (*self.loc, index))

    def entries(self) -> dict[str, At]:
        """The values of a mapping by key."""
        return {name: self.key(name) for name in self.value} if isinstance(self.value, dict) else {}

    def text(self, default: str = "") -> str:
        """The text; `default` when nothing or something else stands there."""
        return self.value if isinstance(self.value, str) else default

    @property
    def is_there(self) -> bool:
        """Whether the key was written at all."""
        return self.value is not None


Rule = Callable[[At], Iterator[Problem]]


def applications_of(plan: At) -> Iterator[tuple[At, At]]:
    """Every wave and application, in the order of the plan."""
    for wave in plan.key("waves").items():
        for application in wave.key("applications").items():
            yield wave, application


def datasets_of(plan: At) -> Iterator[tuple[At, At]]:
    """Every application and dataset, in the order of the plan."""
    for _, application in applications_of(plan):
        for dataset in application.key("datasets").items():
            yield application, dataset
