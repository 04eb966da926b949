"""How the targets stand when users are sent there, and what changed there since: looked at, told, and remembered."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Protocol

from migrator.domain.entries import Entry, display
from migrator.domain.events import ScanProgress, TargetChanged, TargetChanges
from migrator.errors import EndpointUnavailable, SafetyStop
from migrator.journal.copy_back import Change, Digester
from migrator.steps.copying import refuse_failures
from migrator.steps.scene import Scene
from migrator.steps.ways_back import WayBack, ways_back
from migrator.transfer.course import Course
from migrator.transfer.passing import survey
from migrator.verification.comparing import difference
from migrator.verification.verifying import reread_source

# Set when it is known how the targets stood: at the switch, or only later, when users had been there already.
_TARGETS_KNOWN = "targets known"
_AT_THE_SWITCH, _LATER = "at the switch", "later"
_CHANGES = "changes at the target"
_NAMED = 100


class Marks(Protocol):
    """A journal, or a look at one, as far as small facts go."""

    def marked(self, name: str) -> str | None:
        """The remembered fact; None when there is none."""


def remember_targets(scene: Scene) -> None:
    """Before users are sent there: note how every target stands, so that whatever they write will be seen."""
    _remember(scene, _AT_THE_SWITCH)
    scene.remember_abilities()


def look_back(scene: Scene) -> None:
    """See what changed at the targets since users were sent there, and tell it; changes nothing at either side.

    Raises Incomplete when a part of a target cannot be read.
    """
    look(scene)
    tell_changes(scene)


def look_back_as_far_as_can_be(scene: Scene) -> None:
    """The same, to know what would be given up: what cannot be read, or reached, is told as unknown."""
    scene.recall_abilities()
    look(scene, knows_all=False)
    tell_changes(scene)


def look(scene: Scene, *, knows_all: bool = True) -> None:
    """See what changed at the targets since users were sent there. Raises Incomplete for what cannot be read.

    Without `knows_all` that is recorded, and so is a target that cannot be reached, or lists what cannot be.
    """
    if scene.journal.marked(_TARGETS_KNOWN) is None:
        _remember(scene, _LATER)
    for way in ways_back(scene):
        course = Course(way.looking())
        try:
            survey(course)
            if way.reads_again or scene.journal.marked(_TARGETS_KNOWN) == _LATER:
                reread_source(course.crossing)
        except (EndpointUnavailable, SafetyStop) as error:
            if knows_all:
                raise
            way.record.manifest.failed([(b"", str(error))])
        else:
            if knows_all:
                refuse_failures([course.tallies])


def tell_changes(scene: Scene) -> TargetChanges:
    """Tell every change by the latest look, and remember what they come to."""
    return _sum_up(scene, tells=True)


def changes_now(scene: Scene) -> TargetChanges:
    """What the changes come to by the latest look; nothing is told, and what was told stays remembered."""
    return _sum_up(scene, tells=False)


def changes_told(memory: Marks) -> TargetChanges | None:
    """What the changes came to that were told last; None before that."""
    text = memory.marked(_CHANGES)
    return None if text is None else TargetChanges(**json.loads(text))


def count_of(changes: TargetChanges) -> int:
    """All of them together."""
    return changes.created + changes.changed + changes.deleted + changes.unknown


def counts_in_words(changes: TargetChanges) -> str:
    """For people: "3 created, 1 deleted"."""
    counts = {name: getattr(changes, name) for name in ("created", "changed", "deleted", "unknown")}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing"


def named_changes(scene: Scene) -> tuple[str, ...]:
    """The first hundred changes, for people."""
    lines: list[str] = []
    for dataset, block in all_changes(scene):
        lines += [f"{dataset}/{display(each.path)}: {each.what}" for each in block[: _NAMED - len(lines)]]
        if len(lines) >= _NAMED:
            break
    return tuple(lines)


def all_changes(scene: Scene) -> Iterator[tuple[str, Sequence[Change]]]:
    """Every change by the latest look, in blocks, each with its dataset."""
    for way in ways_back(scene):
        for block in way.record.changes(way.keep):
            yield way.dataset.name, block


def _sum_up(scene: Scene, *, tells: bool) -> TargetChanges:
    name, digester = scene.application.name, Digester()
    counts = dict.fromkeys(("created", "changed", "deleted", "unknown"), 0)
    size_bytes = 0
    for dataset, block in all_changes(scene):
        digester.take(dataset, block)
        for each in block:
            counts[each.what] += 1
            size_bytes += each.size
            if tells:
                scene.on_event(TargetChanged(name, dataset, each.path, each.kind, each.what, each.size, each.reason))
    changes = TargetChanges(application=name, **counts, size_bytes=size_bytes, digest=digester.text())
    if tells:
        scene.journal.mark(_CHANGES, json.dumps(dataclasses.asdict(changes)))
        scene.on_event(changes)
    return changes


def _remember(scene: Scene, when: str) -> None:
    scene.journal.mark(_TARGETS_KNOWN, None)
    for way in ways_back(scene):
        way.record.begin()
        _find(way, keeps_strangers=when == _AT_THE_SWITCH)
    scene.journal.mark(_TARGETS_KNOWN, when)


def _find(way: WayBack, *, keeps_strangers: bool) -> None:
    """Note what at the target is as it was brought there. Strangers that users found there are left as they are, too.

    What differs stays pending in the record: a copy back would carry it.
    """
    crossing = way.looking()
    items = size_bytes = 0
    with crossing.open_source() as tree:
        for block in tree.scan():
            crossing.stop.check()
            inside, outside = crossing.filter.split([each for each in block if isinstance(each, Entry)])
            brought = way.record.brought([entry.path for entry in inside])
            found: list[tuple[Entry, bytes | None]] = []
            for entry in inside:
                known = brought.get(entry.path)
                if known is None and keeps_strangers:
                    found.append((entry, None))
                elif known is not None and difference(known[0], entry, way.keep) is None:
                    found.append((entry, known[1]))
            if found:
                way.record.found(found)
            items += len(inside) + len(outside)
            size_bytes += sum(entry.size for entry in inside)
            crossing.on_event(_progress(way, items, size_bytes, ended=False))
    crossing.on_event(_progress(way, items, size_bytes, ended=True))


def _progress(way: WayBack, items: int, size_bytes: int, *, ended: bool) -> ScanProgress:
    return ScanProgress(way.scene.application.name, way.dataset.name, items, size_bytes, ended=ended)
