"""In which order applications may be cut over."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import TopologicalSorter

from migrator.domain.plan import Application


def by_needs(applications: Iterable[Application]) -> tuple[Application, ...]:
    """The applications so that each comes after those it needs; otherwise in the order given.

    Needs outside the given ones do not count. The plan was checked for cycles when it was loaded.
    """
    given = {application.name: application for application in applications}
    sorter = TopologicalSorter(
        {name: [need for need in application.needs if need in given] for name, application in given.items()}
    )
    return tuple(given[name] for name in sorter.static_order())
