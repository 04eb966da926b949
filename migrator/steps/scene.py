"""What a step is given: one application, its journal, and the means to act on it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from migrator.domain.events import Note, OnEvent
from migrator.domain.filters import Filter
from migrator.domain.plan import Application, Dataset, EndpointSpec, Location, Place, Plan
from migrator.domain.stopping import Stop
from migrator.endpoints.contract import Abilities, Host, SourceTree, TargetTree
from migrator.endpoints.opening import names_on_the_way
from migrator.journal.application import ApplicationJournal
from migrator.movers.crossing import Crossing
from migrator.movers.pool import MoverPool
from migrator.movers.way import Way
from migrator.planning.rules.looked import Looked
from migrator.steps.hosts import HERE, Hosts

# What is kept without being asked for, where both lanes can.
_BY_DEFAULT = frozenset({"mode", "times", "hardlinks", "xattrs", "acls", "holes"})

_ABILITIES = "abilities of the lanes"


@dataclass
class Scene:
    """One application in the hands of one run."""

    plan: Plan
    application: Application
    journal: ApplicationJournal
    hosts: Hosts
    pool: MoverPool
    on_event: OnEvent
    stop: Stop
    holder: str  # whose lock it is on a target root: this state's
    adopt: bool = False
    looked: Looked = field(default_factory=Looked)  # shared by all applications of the run
    before_switching: Callable[[], object] = lambda: None  # raises when users may no longer be sent to the target
    _held: ExitStack = field(default_factory=ExitStack)
    _roots: set[Location] = field(default_factory=set)  # that are held
    _abilities: dict[tuple[Place, Location], Abilities] = field(default_factory=dict)

    def hold_targets(self) -> None:
        """Take the lock on every target root, once; Held when another run has one. Missing roots are made first."""
        self.hold(dataset.target for dataset in self.application.datasets)

    def hold(self, roots: Iterable[Location]) -> None:
        """Take the lock on roots that are to be written, once; Held when another run has one."""
        for root in roots:
            if root not in self._roots:
                self._held.enter_context(self.hosts.lock(root, self.journal.temp_key, self.holder))
                self._roots.add(root)

    def let_go(self) -> None:
        """Give the locks back."""
        self._roots.clear()
        self._held.close()

    def crossings(self) -> Iterator[Crossing]:
        """Each dataset with what is needed to work on it, in the order of the plan."""
        for dataset in self.application.datasets:
            yield self.crossing(dataset)

    def crossing(self, dataset: Dataset) -> Crossing:
        """One dataset with what is needed to work on it."""
        source, target, temp_key = dataset.source, dataset.target, self.journal.temp_key
        return Crossing(
            application=self.application.name,
            dataset=dataset,
            manifest=self.journal.manifest(dataset.name),
            way=Way(source, target, temp_key, self.keep(dataset)),
            filter=Filter(dataset.exclude, self.application.waived_in(dataset.name)),
            open_source=lambda: self.hosts.source(source),
            open_target=lambda: self.hosts.target(target, temp_key),
            pool=self.pool.towards(self._ends(dataset)),
            on_event=self.on_event,
            stop=self.stop,
            recognises=not self.reads_source_again(dataset),
            compares=self.source_abilities(dataset).hashes and self.target_abilities(dataset).hashes,
        )

    def keep(self, dataset: Dataset) -> frozenset[str]:
        """What must be preserved: the plan's words, or what both lanes can carry; `owner` only for root."""
        if dataset.keep is not None:
            return frozenset(dataset.keep)
        both = self.source_abilities(dataset).keeps & self.target_abilities(dataset).keeps
        words = both & _BY_DEFAULT
        return (
            words | {"owner"}
            if "owner" in both and may_give_away(self.plan.endpoint(dataset.target.endpoint))
            else words
        )

    @contextmanager
    def source(self, dataset: Dataset) -> Iterator[SourceTree]:
        """The dataset's source; what its lane can do is known from then on."""
        with self.hosts.source(dataset.source) as tree:
            self._abilities.setdefault(("source", dataset.source), tree.abilities)
            yield tree

    @contextmanager
    def target(self, dataset: Dataset) -> Iterator[TargetTree]:
        """The dataset's target; what its lane can do is known from then on."""
        with self.hosts.target(dataset.target, self.journal.temp_key) as tree:
            self._abilities.setdefault(("target", dataset.target), tree.abilities)
            yield tree

    def source_abilities(self, dataset: Dataset) -> Abilities:
        """What the lane to the dataset's source sees and keeps; asked once a run."""
        if ("source", dataset.source) not in self._abilities:
            with self.source(dataset):
                pass
        return self._abilities["source", dataset.source]

    def target_abilities(self, dataset: Dataset) -> Abilities:
        """What the lane to the dataset's target sees and keeps; asked once a run."""
        if ("target", dataset.target) not in self._abilities:
            with self.target(dataset):
                pass
        return self._abilities["target", dataset.target]

    def remember_abilities(self) -> None:
        """Note what every lane that was asked can do, for a time at which it may no longer answer."""
        known = [
            [place, root.endpoint, root.path.hex(), {**lane._asdict(), "keeps": sorted(lane.keeps)}]
            for (place, root), lane in self._abilities.items()
        ]
        self.journal.mark(_ABILITIES, json.dumps(known))

    def recall_abilities(self) -> None:
        """Take the lanes for what they were when that was noted, so that none of these is asked."""
        for place, endpoint, path, lane in json.loads(self.journal.marked(_ABILITIES) or "[]"):
            root = Location(endpoint, bytes.fromhex(path))
            self._abilities.setdefault((place, root), Abilities(**{**lane, "keeps": frozenset(lane["keeps"])}))

    def reads_source_again(self, dataset: Dataset) -> bool:
        """Whether the proof of freeze reads every source byte: the plan's word, or where the lane sees no ctime."""
        if dataset.proof is not None:
            return dataset.proof == "hash"
        return not self.source_abilities(dataset).sees_ctime

    def place(self, place: Place) -> Host:
        """Where a hook or a switch runs."""
        return host_at(self.application, self.hosts, place)

    def _ends(self, dataset: Dataset) -> set[str]:
        specs = {spec.name: spec for spec in self.plan.endpoints}
        ends = (dataset.source.endpoint, dataset.target.endpoint)
        return {name for end in ends for name in names_on_the_way(specs[end], specs)}

    def note(self, sentence: str) -> None:
        """Tell the operator something worth knowing."""
        self.on_event(Note(sentence, self.application.name))


def host_at(application: Application, hosts: Hosts, place: Place) -> Host:
    """Where a hook or a switch runs: the side of the first dataset, or this machine."""
    if place == "here":
        return hosts.place(HERE.name)
    first = application.datasets[0]
    return hosts.place(first.source.endpoint if place == "source" else first.target.endpoint)


def may_give_away(target: EndpointSpec) -> bool:
    """Whether we may set another owner there: as root here, or logging in as root there."""
    if target.ssh is None:
        return os.geteuid() == 0
    return target.ssh.user == "root"
