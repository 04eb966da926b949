"""One dataset on its way, below the command line: real trees, a real journal, real movers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from migrator.domain.entries import Class, Item, Kind
from migrator.domain.events import BytesMoved, Event, ItemChanged, Note
from migrator.domain.filters import Filter
from migrator.domain.plan import Dataset, EndpointSpec, Location
from migrator.domain.stopping import Stop
from migrator.endpoints.contract import Endpoint
from migrator.endpoints.opening import open_endpoint
from migrator.journal.application import ApplicationJournal, ApplicationView
from migrator.journal.folder import StateFolder
from migrator.movers.crossing import Crossing
from migrator.movers.pool import MoverPool
from migrator.movers.way import Way
from migrator.transfer.course import Course, Tallies
from migrator.transfer.passing import copy_pass, final_pass
from migrator.verification.proof import source_changes, unproven
from migrator.verification.verifying import Findings, verify
from tests.support.journals import state

KEEP = frozenset({"mode", "times", "holes"})


@dataclass
class Ferry:
    """A dataset between two folders of this machine, and what was told while it was worked on."""

    memory: StateFolder
    journal: ApplicationJournal
    source: Path
    target: Path
    dataset: Dataset
    specs: dict[str, EndpointSpec]
    pool: MoverPool
    keep: frozenset[str] = KEEP
    stop: Stop = field(default_factory=Stop)
    events: list[Event] = field(default_factory=list)
    listener: Callable[[Event], None] | None = None  # called with each event, too
    ends: dict[str, Endpoint] = field(default_factory=dict)  # as far as they were opened

    def crossing(self) -> Crossing:
        """What a step is given."""
        dataset, key = self.dataset, self.journal.temp_key
        self.ends = ends = self.ends or {name: open_endpoint(spec, self.specs) for name, spec in self.specs.items()}
        return Crossing(
            application="portail",
            dataset=dataset,
            manifest=self.journal.manifest(dataset.name),
            way=Way(dataset.source, dataset.target, key, self.keep),
            filter=Filter(dataset.exclude),
            open_source=lambda: contextlib.closing(ends[dataset.source.endpoint].source(dataset.source.path)),
            open_target=lambda: contextlib.closing(ends[dataset.target.endpoint].target(dataset.target.path, key)),
            pool=self.pool,
            on_event=self._hear,
            stop=self.stop,
            compares=all(end.source(b"/").abilities.hashes for end in ends.values()),
        )

    def change(self, **changes: object) -> None:
        """Plan the dataset otherwise."""
        self.dataset = replace(self.dataset, **changes)  # type: ignore[arg-type]

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        if self.listener is not None:
            self.listener(event)

    def copy(self) -> Tallies:
        """One pass while people work."""
        course = Course(self.crossing())
        copy_pass(course)
        return course.tallies

    def final(self) -> Tallies:
        """The last pass, under freeze."""
        course = Course(self.crossing())
        final_pass(course)
        return course.tallies

    def verify(self, *, since_seq: int | None = None, both: bool = False) -> Findings:
        """Read again what was not verified after `since_seq`, by default everything."""
        since = self.journal.current_seq() if since_seq is None else since_seq
        return verify(self.crossing(), since, read_source=both)

    def changes(self, *, read_again: bool = False) -> list[str]:
        """What the proof of freeze finds."""
        return source_changes(self.crossing(), read_again=read_again)

    def unproven(self) -> list[str]:
        """What no verification has proven since the beginning."""
        return unproven(self.crossing(), 0)

    def states(self) -> dict[bytes, Class]:
        """Where each item stands."""
        return {item.path: item.state for item in self._items()}

    def reasons(self) -> dict[bytes, str | None]:
        """Why each item that is not in place stands where it does."""
        return {item.path: item.reason for item in self._items() if item.reason}

    def checks(self) -> set[str | None]:
        """How the items were verified, as their records say."""
        return {item.verified_by for item in self._items()}

    def _items(self) -> list[Item]:
        with ApplicationView.open(self.memory, "portail") or contextlib.nullcontext() as view:
            assert view is not None
            return list(view.items())

    def told(self, state: Class, kind: Kind = Kind.FILE) -> list[bytes]:
        """The items that were told to have reached a class, in the order of the telling."""
        changed = [event for event in self.events if isinstance(event, ItemChanged)]
        return [event.path for event in changed if event.state is state and event.kind is kind]

    def notes(self) -> list[str]:
        """What the operator was told."""
        return [event.sentence for event in self.events if isinstance(event, Note)]

    def moved_bytes(self) -> int:
        """Content that was read so far."""
        return sum(event.size_bytes for event in self.events if isinstance(event, BytesMoved))

    def temp_files(self) -> list[Path]:
        """What is left of ours below the target."""
        return list(self.target.rglob(".migrator-*-*"))


@contextlib.contextmanager
def ferry(
    folder: Path,
    source: Path,
    source_spec: EndpointSpec | None = None,
    *,
    movers: int = 2,
    target: Path | None = None,
    keep: frozenset[str] = KEEP,
) -> Iterator[Ferry]:
    """A dataset from `source` (seen through `source_spec`, else as this machine) to a target below `folder`."""
    target = target or folder / "target"
    target.mkdir(exist_ok=True)
    specs = {"old": source_spec or EndpointSpec("old"), "new": EndpointSpec("new")}
    places = (Location("old", os.fsencode(source)), Location("new", os.fsencode(target)))
    pool = MoverPool(movers, specs)
    try:
        memory = state(folder)
        with ApplicationJournal.open(memory, "portail") as journal:
            boat = Ferry(memory, journal, source, target, Dataset("files", *places), specs, pool, keep)
            try:
                yield boat
            finally:
                for end in boat.ends.values():
                    end.close()
    finally:
        pool.shutdown()
