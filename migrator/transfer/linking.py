"""Files with several names: one name goes with the content, the others are linked to it once it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from migrator.domain.entries import Entry, display, is_linked
from migrator.endpoints.contract import Problem
from migrator.transfer.carrying import Follower
from migrator.transfer.course import Course
from migrator.transfer.dispatch import Dispatch
from migrator.transfer.landing import Stayed


class Linking:
    """The files of one pass that have several names, where `hardlinks` are kept; they go after all the others."""

    def __init__(self, course: Course, dispatch: Dispatch) -> None:
        self._course = course
        self._dispatch = dispatch
        self._linked = course.manifest.linked
        self._is_kept = keeps_links(course)

    def without(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """The entries that can be carried at once."""
        return [each for each in entries if not is_linked(each)] if self._is_kept else entries

    def carry(self, is_blocked: Callable[[bytes], bool]) -> None:
        """Carry them all. The first name takes the others along when it fails; when it vanished, the next one leads.

        Files whose first name is hot or blocked are left.
        """
        while self._is_kept:
            self._follow(is_blocked)
            self._fail_orphans()
            if not self._lead(is_blocked):
                return

    def leave_hot(self) -> None:
        """Put the names of files that are hot off with the one that was tried."""
        if not self._is_kept:
            return
        hot = dict(self._course.tallies.hot)
        for entry in filter(is_linked, self._course.manifest.facts(list(hot))):
            reason = f"its other name `{display(entry.path)}`: {hot[entry.path]}"
            for names in self._linked.pending_names(entry):
                self._course.stayed([Stayed(name, Problem.CHANGED, reason) for name in names if name not in hot])

    def _lead(self, is_blocked: Callable[[bytes], bool]) -> bool:
        """Carry one name of each file of which none stands; whether there was any."""
        count = 0
        for block in self._linked.leaders():
            self._course.crossing.stop.check()
            hot = self._course.tallies.hot
            wanted = [each for each in block if each.path not in hot and not is_blocked(each.path)]
            self._dispatch.carry(wanted)
            count += len(wanted)
        self._dispatch.drain()
        return count > 0

    def _follow(self, is_blocked: Callable[[bytes], bool]) -> None:
        for block in self._linked.followers():
            self._course.crossing.stop.check()
            wanted = [each for each in block if not is_blocked(each.entry.path)]
            self._dispatch.name_again([Follower(each.entry, each.first, each.sha256) for each in wanted])
        self._dispatch.drain()

    def _fail_orphans(self) -> None:
        for block in self._linked.orphans():
            reasons = ((path, f"its other name `{display(first)}` failed") for path, first in block)
            self._course.stayed([Stayed(path, Problem.FAILED, reason) for path, reason in reasons])


def keeps_links(course: Course) -> bool:
    """Whether names of one file stay names of one file."""
    return "hardlinks" in course.crossing.way.keep


def content_bytes(course: Course, entries: Sequence[Entry]) -> int:
    """What `entries` will move: a file's content goes once, of which each of its names has a part."""
    if not keeps_links(course):
        return sum(entry.size for entry in entries)
    return sum(entry.size // (entry.links or 1) if is_linked(entry) else entry.size for entry in entries)
