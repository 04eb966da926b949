"""Looking at an application for the preflight rules: the same looks for `plan` and for the step of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from migrator.domain.entries import Entry, Kind
from migrator.domain.events import OnEvent, ScanProgress
from migrator.domain.plan import Application, Dataset, Plan
from migrator.domain.reports import Finding
from migrator.endpoints.contract import Abilities, SourceTree, TargetTree
from migrator.journal.manifest import Manifest
from migrator.journal.scan import Scan
from migrator.planning.rules import clock_offset, clock_unknown
from migrator.planning.rules.clock_unknown import Clock
from migrator.planning.rules.facts import Facts
from migrator.planning.rules.looked import Looked
from migrator.planning.rules.registry import examine, examine_together
from migrator.planning.rules.survey import Survey
from migrator.steps.hosts import Hosts
from migrator.steps.scene import may_give_away

_STRANGERS_NAMED = 4
_ANSWER_SECONDS = 20.0
_ASK_CLOCK = ("date", "+%s")


@dataclass(frozen=True)
class Volumes:
    """What a scan saw of a dataset, and what a pass would carry of it."""

    items: int
    size_bytes: int
    excluded: int
    to_copy_items: int
    to_copy_bytes: int
    gone: int


@dataclass(frozen=True)
class Look:
    """What the look at one dataset brought."""

    facts: Facts
    volumes: Volumes
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Looker:
    """Looks at the datasets of one application; reads, and changes nothing at the endpoints."""

    plan: Plan
    application: Application
    hosts: Hosts
    looked: Looked
    on_event: OnEvent
    open_source: Callable[[Dataset], AbstractContextManager[SourceTree]]
    open_target: Callable[[Dataset], AbstractContextManager[TargetTree]]
    temp_key: bytes
    is_adopting: bool = False
    check: Callable[[], None] = lambda: None  # called now and then, and may raise to end the look

    def look(self, dataset: Dataset, manifest: Manifest | None, *, is_first: bool) -> Look:
        """Scan the source, look at the target, and ask the rules; `manifest` is what is known of the dataset.

        `is_first`: nothing was copied yet, so that whatever the target holds was there before. Raises what the
        endpoints raise, and EndpointUnavailable for a root that is missing or cannot be listed.
        """
        survey = Survey(self.application, dataset)
        with self.open_source(dataset) as source:
            volumes = self._scan(dataset, survey, source, manifest)
            source_abilities, may_write = source.abilities, source.may_write()
        with self.open_target(dataset) as target:
            root = target.stat(b"")
            found = strangers(target, manifest) if root is not None and is_first else ()
            folds = folds_names(target) if root is not None and survey.alike.count else None
            target_abilities, space = target.abilities, target.space()
        last = None if manifest is None else manifest.last_scan()
        endpoint = self.plan.endpoint
        facts = Facts(
            application=self.application.name,
            dataset=dataset,
            source=source_abilities,
            target=target_abilities,
            may_set_owner=may_give_away(endpoint(dataset.target.endpoint)),
            strangers=found,
            is_adopting=self.is_adopting,
            source_host=endpoint(dataset.source.endpoint).whereabouts,
            target_host=endpoint(dataset.target.endpoint).whereabouts,
            space=space,
            to_copy_bytes=volumes.to_copy_bytes,
            to_copy_items=volumes.to_copy_items,
            at_target_items=0 if manifest is None else manifest.at_target_count(),
            size_bytes=survey.size_bytes,
            in_holes_bytes=survey.in_holes_bytes,
            in_other_names_bytes=survey.in_other_names_bytes,
            in_other_names=survey.in_other_names,
            items=survey.items,
            items_in_all=survey.seen,
            files=survey.files,
            last_items=None if last is None else last.items,
            source_may_be_written=may_write,
            writes_source=self.application.fall_back.source_write and self.application.fall_back.endpoint is None,
            source_root=survey.root,
            target_root=root,
            alike=tuple(survey.alike.pairs),
            alike_count=survey.alike.count,
            is_comparison_complete=survey.alike.is_complete,
            folds_names=folds,
        )
        self.looked.facts[self.application.name, dataset.name] = facts
        clocks = [
            *self._about_clock(dataset.source.endpoint, source_abilities),
            *self._about_clock(dataset.target.endpoint, target_abilities),
        ]
        return Look(facts, volumes, (*clocks, *examine(facts), *survey.findings(facts)))

    def look_together(self) -> tuple[Finding, ...]:
        """What the rules about all datasets looked at so far have to say of this application."""
        everything = examine_together(self.looked.everything)
        return tuple(finding for finding in everything if finding.application == self.application.name)

    def _scan(self, dataset: Dataset, survey: Survey, source: SourceTree, manifest: Manifest | None) -> Volumes:
        # Where nothing is at the target yet, all that is seen is to be copied, and nothing has to be compared.
        guard = manifest.begin_guard() if manifest is not None and manifest.at_target_count() else None
        name = self.application.name
        for block in source.scan():
            self.check()
            found = survey.take(block)
            if guard is not None:
                guard.note(found.inside)
                guard.exclude(found.left_out)
                guard.unreadable(found.unreadable)
            self.on_event(ScanProgress(name, dataset.name, survey.seen, survey.size_bytes, ended=False))
        self.on_event(ScanProgress(name, dataset.name, survey.seen, survey.size_bytes, ended=True))
        return _volumes(survey, guard)

    def _about_clock(self, endpoint: str, abilities: Abilities) -> Iterator[Finding]:
        if abilities.lane == "local":
            return
        if endpoint not in self.looked.clocks:
            self.looked.clocks[endpoint] = self._ask_clock(endpoint, abilities)
        for rule in (clock_offset, clock_unknown):
            yield from rule.about(self.looked.clocks[endpoint], self.application.name)

    def _ask_clock(self, endpoint: str, abilities: Abilities) -> Clock:
        if abilities.lane != "agent":  # without an agent there is most often no shell, and asking may be an offence
            return Clock(endpoint, None)
        before = time.time()
        completed = self.hosts.place(endpoint).run(_ASK_CLOCK, _ANSWER_SECONDS)
        after = time.time()
        if completed.status != 0 or not completed.stdout.strip().isdigit():
            return Clock(endpoint, None)
        # `date` cuts to whole seconds.
        offset = int(completed.stdout) + 0.5 - (before + after) / 2
        return Clock(endpoint, offset, (after - before) / 2 + 0.5)


def folds_names(tree: TargetTree) -> bool | None:
    """Whether the file system there takes names that differ in case for one, told by the first name with letters.

    None where there is no such name, or where two names of one file could not be told from one name: nothing is
    written to find out.
    """
    first = next(iter(tree.scan()), ())
    for entry in (each for each in first if isinstance(each, Entry)):
        above, slash, name = entry.path.rpartition(b"/")
        has_one_name = entry.inode is not None and (entry.kind is Kind.DIRECTORY or entry.links == 1)
        if has_one_name and name != name.swapcase():
            swapped = tree.stat(above + slash + name.swapcase())
            return swapped is not None and (swapped.device, swapped.inode) == (entry.device, entry.inode)
    return None


def strangers(tree: TargetTree, manifest: Manifest | None) -> tuple[bytes, ...]:
    """The first few entries at the target that are not known to be this migration's."""
    found: list[bytes] = []
    for block in tree.scan():
        paths = [each.path for each in block if isinstance(each, Entry) and each.path]
        ours = manifest.knows(paths) if manifest is not None else frozenset[bytes]()
        found += [path for path in paths if path not in ours]
        if len(found) >= _STRANGERS_NAMED:
            break
    return tuple(found[:_STRANGERS_NAMED])


def _volumes(survey: Survey, guard: Scan | None) -> Volumes:
    items, size_bytes, excluded = survey.items, survey.size_bytes, survey.excluded
    if guard is None:
        return Volumes(items, size_bytes, excluded, items, size_bytes, 0)
    guard.end()
    delta = guard.delta()
    return Volumes(items, size_bytes, excluded, delta.items, delta.size_bytes, delta.gone)
