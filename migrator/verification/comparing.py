"""When two looks at an entry are the same, as far as the plan wants it kept."""

from __future__ import annotations

from migrator.domain.attributes import unpacked, word_for
from migrator.domain.entries import Entry, Kind, display

_SECOND = 1_000_000_000
_SETID = 0o6000


def difference(expected: Entry, found: Entry, keep: frozenset[str]) -> str | None:
    """In words, how `found` at the target differs from `expected`, its source; None when it does not.

    Content is not compared here. `keep` holds the plan's words; what it does not name may differ.
    """
    if found.kind is not expected.kind:
        return f"is a {found.kind}, not a {expected.kind}"
    if expected.kind is Kind.FILE and found.size != expected.size:
        return f"has {found.size} bytes, not {expected.size}"
    if expected.kind is Kind.LINK:
        # A link has no mode of its own, and many servers cannot set its time.
        return "points elsewhere" if found.link != expected.link else _attribute_difference(expected, found, keep)
    return _metadata_difference(expected, found, keep) or _attribute_difference(expected, found, keep)


def _metadata_difference(expected: Entry, found: Entry, keep: frozenset[str]) -> str | None:
    mask = 0o7777 if "setid" in keep else 0o7777 & ~_SETID
    if "mode" in keep and found.mode & mask != expected.mode & mask:
        return f"has mode {found.mode & mask:04o}, not {expected.mode & mask:04o}"
    if "times" in keep and not is_same_time(expected.mtime_ns, found.mtime_ns):
        return "has another modification time"
    if "owner" in keep and (found.uid, found.gid) != (expected.uid, expected.gid):
        return f"belongs to {found.uid}:{found.gid}, not {expected.uid}:{expected.gid}"
    return None


def _attribute_difference(expected: Entry, found: Entry, keep: frozenset[str]) -> str | None:
    if found.xattrs is None or expected.xattrs is None:
        is_asked_for = not keep.isdisjoint({"xattrs", "acls"})
        return "has extended attributes that cannot be read and compared" if is_asked_for else None
    if found.xattrs == expected.xattrs:
        return None
    ours, theirs = unpacked(expected.xattrs), unpacked(found.xattrs)
    for name in sorted(ours.keys() | theirs.keys()):
        if word_for(name) in keep and ours.get(name) != theirs.get(name):
            return f"{_how_it_differs(ours.get(name), theirs.get(name))} `{display(name)}`"
    return None


def _how_it_differs(expected: bytes | None, found: bytes | None) -> str:
    if found is None:
        return "lacks"
    return "has, unlike its source," if expected is None else "has another"


def is_same_time(one: int, other: int) -> bool:
    """Whether two times in nanoseconds agree; one that was cut to whole seconds is compared by seconds."""
    if one == other:
        return True
    is_cut = one % _SECOND == 0 or other % _SECOND == 0
    return is_cut and one // _SECOND == other // _SECOND
