"""Each dataset on its way back: how its target is looked at, how its source is written, and how that is proven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from migrator.domain.plan import Dataset
from migrator.domain.turning import turned_round
from migrator.journal.copy_back import CopyBack
from migrator.movers.crossing import Crossing
from migrator.movers.way import Way
from migrator.steps.scene import Scene, may_give_away


@dataclass(frozen=True)
class WayBack:
    """One dataset from its target to its source. Nothing is written by asking for one."""

    scene: Scene
    dataset: Dataset  # as the plan has it
    turned: Dataset
    record: CopyBack
    forward: Crossing

    @property
    def keep(self) -> frozenset[str]:
        """What was kept on the way to the target."""
        return self.forward.way.keep

    @property
    def reads_again(self) -> bool:
        """Whether only the bytes themselves tell what changed at the target; the rule of the proof of freeze."""
        return self.scene.reads_source_again(self.turned)

    @property
    def has_changes(self) -> bool:
        """Whether anything changed at the target, by the latest look."""
        return self.record.has_changes(self.keep)

    def looking(self, keep: frozenset[str] | None = None) -> Crossing:
        """From target to source, to be read on both sides by the endpoints that the dataset names."""
        hosts, dataset, temp_key = self.scene.hosts, self.dataset, self.scene.journal.temp_key
        return replace(
            self.forward,
            dataset=self.turned,
            manifest=self.record.manifest,
            way=Way(dataset.target, dataset.source, temp_key, self.keep if keep is None else keep),
            open_source=lambda: hosts.source(dataset.target),
            open_target=lambda: hosts.target(dataset.source, temp_key),
            recognises=not self.reads_again,
            compares=False,
            is_back=True,
        )

    def copying(self) -> Crossing:
        """From target to source, written by the endpoint that may; less is kept where that cannot carry it."""
        crossing = self.scene.crossing(self.turned)
        return replace(
            crossing, manifest=self.record.manifest, way=crossing.way._replace(keep=self.kept_back()), is_back=True
        )

    def proving(self) -> Crossing:
        """The same to be verified: the source is read by its own endpoint, whoever wrote it."""
        return self.looking(self.kept_back())

    def kept_back(self) -> frozenset[str]:
        """What of that can be kept on the way to the source as well."""
        reading, writing = self.scene.source_abilities(self.turned), self.scene.target_abilities(self.turned)
        kept = self.keep & reading.keeps & writing.keeps
        is_giver = may_give_away(self.scene.plan.endpoint(self.turned.target.endpoint))
        return kept if is_giver else kept - {"owner"}


def ways_back(scene: Scene) -> Iterator[WayBack]:
    """The way back of each dataset, in the order of the plan."""
    for dataset, turned in zip(scene.application.datasets, turned_round(scene.application).datasets, strict=True):
        yield WayBack(scene, dataset, turned, scene.journal.copy_back(dataset.name), scene.crossing(dataset))
