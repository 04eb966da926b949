"""One pass over a dataset: scan -> delta -> batches -> movers -> commit; deletions only in the final one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

from migrator.domain.entries import Entry, Kind, Listed, Unchanged, Unreadable
from migrator.domain.events import ScanProgress, WorkFound
from migrator.domain.filters import SPECIAL_FILE
from migrator.domain.shadow import is_shadow
from migrator.endpoints.contract import Landed, Problem
from migrator.errors import SafetyStop
from migrator.journal.manifest import Scan, ScanRecord
from migrator.movers.errands import Errand, Errands
from migrator.transfer.carrying import Removal, Settled, Settling, remove, settle
from migrator.transfer.course import Course, all_folders_above, parent_of
from migrator.transfer.dispatch import Dispatch
from migrator.transfer.landing import Carried, Stayed
from migrator.transfer.linking import Linking, content_bytes

_CARRIED = (Kind.FILE, Kind.LINK)
_HOT_TRIES = 2
_HOT_WAIT_SECONDS = 1.0


def copy_pass(course: Course) -> ScanRecord:
    """Bring the target up to date while people work; deletes nothing. Returns the scan it is based on.

    Files that keep changing stay pending, and so does what would have to replace a folder: both are left to the
    final sync. How many items failed, vanished or stayed hot is in `course.tallies`.
    """
    dispatch = Dispatch(course)
    linking = Linking(course, dispatch)
    blocked = Blocked()
    try:
        record = _scan(course, lambda entries: dispatch.offer(linking.without(blocked.without(course, entries))))
        dispatch.drain()
        _carry_rest(course, dispatch, linking, blocked)
    except BaseException:
        dispatch.give_up()
        raise
    _settle(course, blocked)
    return record


def final_pass(course: Course, *, is_frozen: bool = True) -> ScanRecord:
    """Make the target equal to the source, deletions included. Returns the scan it is based on.

    Under freeze, files that keep changing fail; without it, as in a rehearsal, they stay pending.
    """
    record = survey(course)
    if record.is_complete:
        _delete(course)
    dispatch = Dispatch(course)
    try:
        _carry_rest(course, dispatch, Linking(course, dispatch), Blocked())
    except BaseException:
        dispatch.give_up()
        raise
    if is_frozen:
        _fail_hot(course)
    _settle(course, Blocked())
    return record


def clear(course: Course) -> int:
    """Remove everything of ours below the root of a rehearsal's target; how much could not be removed.

    SafetyStop for any other target, and before anything is removed.
    """
    if not is_shadow(course.crossing.way.target):
        raise SafetyStop(f"{course.crossing.way.target} is no rehearsal's target: nothing is removed there")
    left = 0
    for block in course.manifest.at_target():
        course.crossing.stop.check()
        landed = _ask_mover(course, remove, Removal, [entry for entry in block if entry.path])
        left += sum(1 for each in landed if each.problem is not None)
    course.manifest.forget()
    return left


class Blocked:
    """Paths at which another kind stands at the target, and what is below them: replacing deletes, so they wait."""

    def __init__(self) -> None:
        self._paths: set[bytes] = set()

    def without(self, course: Course, entries: Sequence[Entry]) -> Sequence[Entry]:
        """The entries that may be carried now; the others are put off."""
        for block in course.manifest.replaced():
            self._paths.update(entry.path for entry in block)
        if not self._paths:
            return entries
        late = [entry for entry in entries if self.holds(entry.path)]
        if late:
            reason = "takes the place of another kind; left to the final sync"
            course.manifest.postponed([(entry.path, reason) for entry in late])
        return [entry for entry in entries if not self.holds(entry.path)]

    def holds(self, path: bytes) -> bool:
        """Whether `path` or a folder above it is blocked."""
        while self._paths:
            if path in self._paths:
                return True
            if not path:
                return False
            path = parent_of(path)
        return False


def survey(course: Course) -> ScanRecord:
    """Record what the source consists of now, and carry nothing."""
    return _scan(course, None)


def _scan(course: Course, found: Callable[[Sequence[Entry]], None] | None) -> ScanRecord:
    """Stream the source into the manifest; `found` gets the files and links to carry, block by block."""
    crossing = course.crossing
    scan = course.manifest.begin_scan()
    told = items = size_bytes = specials = 0
    with crossing.open_source() as tree:
        for block in crossing.look_at(tree):
            course.crossing.stop.check()
            still = [each for each in block if isinstance(each, Unchanged)]
            scan.unchanged(still)
            entries, outside = _take_block(course, scan, block)
            specials += sum(1 for _, reason in outside if reason == SPECIAL_FILE)
            work = scan.note(entries, [each for each in block if isinstance(each, Listed)])
            _note_unreadable(course, scan, block)
            told += len(entries)
            items += len(entries) + len(outside) + sum(folder.entries for folder in still)
            size_bytes += sum(each.size for each in entries) + sum(folder.size_bytes for folder in still)
            crossing.on_event(ScanProgress(crossing.application, crossing.dataset.name, items, size_bytes, ended=False))
            _announce(course, work)
            if found is not None:
                found(_without_refused_links(course, [entry for entry in work if entry.kind in _CARRIED]))
    # Before its end would make everything at the target gone, to be copied again once the source is back.
    if told <= 1 and not scan.passed_over_any():
        _refuse_a_source_suddenly_empty(course)
    record = scan.end()
    crossing.on_event(ScanProgress(crossing.application, crossing.dataset.name, items, size_bytes, ended=True))
    if specials:
        crossing.warn(f"{specials} special files (FIFOs, sockets, devices) stay behind")
    return record


def _take_block(
    course: Course, scan: Scan, block: Sequence[Entry | Unreadable | Listed | Unchanged]
) -> tuple[list[Entry], list[tuple[Entry, str]]]:
    """Sort a block into what belongs and what the plan leaves out, and record the latter."""
    inside, outside = course.crossing.filter.split([each for each in block if isinstance(each, Entry)])
    inside, waived = course.crossing.filter.waive(inside)
    scan.exclude(outside)
    scan.waive(waived)
    return inside, [*outside, *waived]


def _note_unreadable(course: Course, scan: Scan, block: Sequence[Entry | Unreadable | Listed | Unchanged]) -> None:
    """Record the places that could not be listed; after their own entries, which would make them pending again."""
    rules = course.crossing.filter
    unreadable = [each for each in block if isinstance(each, Unreadable) and not rules.hides(each.path)]
    scan.unreadable(unreadable)
    for place in unreadable:
        course.unreadable(place.path, place.reason)


def _without_refused_links(course: Course, work: Sequence[Entry]) -> Sequence[Entry]:
    if course.crossing.dataset.symlinks == "keep":
        return work
    links = [entry for entry in work if entry.kind is Kind.LINK]
    stayed = (Stayed(link.path, Problem.FAILED, "the plan refuses symbolic links") for link in links)
    course.stayed(tuple(stayed))
    return [entry for entry in work if entry.kind is not Kind.LINK]


def _announce(course: Course, work: Sequence[Entry]) -> None:
    if work:
        size_bytes = content_bytes(course, work)
        crossing = course.crossing
        crossing.on_event(WorkFound(crossing.application, crossing.dataset.name, len(work), size_bytes))


def _refuse_a_source_suddenly_empty(course: Course) -> None:
    """A source whose content is all gone is far more often a lost mount than a wish to delete everything."""
    crossing = course.crossing
    if course.manifest.at_target_count() > 1:
        raise SafetyStop(
            f"dataset `{crossing.dataset.name}`: the {crossing.read_side} {crossing.way.source} is suddenly empty",
            hint=f"look whether its file system is mounted; nothing was deleted at the {crossing.written_side}",
        )


def _carry_rest(course: Course, dispatch: Dispatch, linking: Linking, blocked: Blocked) -> None:
    """Carry whatever is pending and can be carried now."""
    _carry_pending(course, dispatch, linking, blocked)
    linking.carry(blocked.holds)
    if course.tallies.hot:
        _try_hot_again(course, dispatch)
        linking.carry(blocked.holds)
        linking.leave_hot()
    dispatch.clear_away()


def _carry_pending(course: Course, dispatch: Dispatch, linking: Linking, blocked: Blocked) -> None:
    """Carry what the scan found and no mover has had yet."""
    for block in course.manifest.pending(_CARRIED):
        course.crossing.stop.check()
        hot = course.tallies.hot
        wanted = [each for each in block if each.path not in hot and not blocked.holds(each.path)]
        dispatch.carry(linking.without(_without_refused_links(course, wanted)))
    dispatch.drain()


def _try_hot_again(course: Course, dispatch: Dispatch) -> None:
    """Files that changed while they were read get a few more chances, a moment later."""
    for _ in range(_HOT_TRIES):
        if not course.tallies.hot:
            return
        course.crossing.stop.wait(_HOT_WAIT_SECONDS)
        hot = frozenset(course.tallies.hot)
        for block in course.manifest.pending(_CARRIED):
            dispatch.carry([entry for entry in block if entry.path in hot])
        dispatch.drain()


def _fail_hot(course: Course) -> None:
    """In the final pass nothing may be hot, and nothing that was listed may be gone a moment later."""
    when = "at the target" if course.crossing.is_back else "under freeze"
    hot = [(path, f"still changing {when}: {reason}") for path, reason in course.tallies.hot.items()]
    course.note_restless(hot)
    course.note_restless([(path, f"gone {when}: {reason}") for path, reason in course.tallies.vanishings])
    course.stayed(tuple(Stayed(path, Problem.FAILED, reason) for path, reason in hot))


def _delete(course: Course) -> None:
    """Remove at the target what we once brought and the source no longer has."""
    manifest, dataset, side = course.manifest, course.crossing.dataset, course.crossing.written_side
    gone, there = manifest.gone_count(), manifest.at_target_count()
    if gone > dataset.max_deletions * there:
        raise SafetyStop(
            f"dataset `{dataset.name}`: {gone} of {there} items would be deleted at the {side}",
            hint=f"the plan allows a share of {dataset.max_deletions:.0%} (`max_deletions`); "
            f"look at the {course.crossing.read_side} first",
        )
    for block in chain(manifest.gone(), manifest.replaced()):
        course.crossing.stop.check()
        course.will_change(block)
        landed = _ask_mover(course, remove, Removal, block)
        course.removed([each.path for each in landed if each.problem is None])
        course.failed(landed)


def _settle(course: Course, blocked: Blocked) -> None:
    """Give folders their metadata, deepest first, after everything that would have moved their times."""
    # A folder that is only made now moves the time of the one above it, which may have been settled long ago.
    waiting = 0
    for block in course.manifest.pending_directories():
        above = all_folders_above(block)
        course.manifest.intended(above.union(each.path for each in block))
        course.manifest.touched(above)
        waiting += len(block)
    if not waiting:  # to look again would mean to read the whole manifest once more
        return
    for block in course.manifest.pending_directories():
        course.crossing.stop.check()
        directories = [each for each in block if not blocked.holds(each.path)]
        found = {each.path: each for each in directories}
        landed = _ask_mover(course, settle, Settling, directories)
        course.carried([Carried(found[each.path], None) for each in landed if each.problem is None])
        course.failed(landed)


def _ask_mover(
    course: Course, work: Callable[..., None], job: type[Settling | Removal], entries: Sequence[Entry]
) -> Sequence[Landed]:
    """Have one mover do something short with entries, in their order; its answer."""
    crossing = course.crossing
    answers: list[Landed] = []

    def take(report: Settled) -> list[bytes]:
        answers.extend(report.landed)
        return [each.path for each in report.landed]

    errands = Errands(crossing.pool, crossing.stop, crossing.warn)
    errands.send(Errand(work, {each.path: each for each in entries}, lambda rest: job(crossing.way, rest), take))
    errands.finish()
    return answers
