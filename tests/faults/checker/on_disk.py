"""The invariants about what lies where."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from tests.faults.checker import disk
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.state import Row

_CHUNK_BYTES, _BLOCK_BYTES = 8 << 20, 1 << 20  # docs/how-it-works.md, "Landing a file"
_SETID = 0o6000


def i1_final_names_are_whole(evidence: Evidence) -> Iterator[str]:
    """What stands under a final name is a version the source had, or what stood there before."""
    for path, found in evidence.target.items():
        before = evidence.before.target.get(path)
        is_old = before is not None and before.what == found.what
        if not (is_old or evidence.versions.had(path, found.what) or evidence.is_temp(path)):
            yield f"{path!r} at the target is a {found.kind} of {found.size} bytes that the source never had"


def i3_source_is_not_written(evidence: Evidence) -> Iterator[str]:
    """The source is as it was, to the change time of each file; a fall back may write."""
    if not evidence.may_write_source:
        yield from _changes(evidence.before.source, disk.footprint(evidence.place.source), "at the source")


def i4_nothing_outside_the_target(evidence: Evidence) -> Iterator[str]:
    """Around the target nothing came, went or changed; what a killed run keeps beside the root has our name."""
    now = disk.footprint(evidence.place.around, evidence.place.apart)
    if not evidence.has_ended:
        now = {path: seen for path, seen in now.items() if b"/.migrator-" not in b"/" + path}
    yield from _changes(evidence.before.around, now, "outside the target")


def i5_no_claim_without_the_thing(evidence: Evidence) -> Iterator[str]:
    """Whatever the journal calls acknowledged or verified lies at the target as recorded, and so do chunks."""
    for row in evidence.items:
        if row["state"] in {"acknowledged", "verified"}:
            yield from _claim(row, evidence.target.get(row["path"]), 1 if evidence.sees_nanoseconds else 10**9)
    sizes = {(row["dataset"], row["path"]): row for row in evidence.database.rows("large_file")}
    # A row of another version is of a copy that has its name; the version that waits has not been begun.
    waiting = {(row["path"], row["size"], row["mtime_ns"]) for row in evidence.items if row["state"] == "pending"}
    for chunk in evidence.database.rows("chunk"):
        large = sizes[chunk["dataset"], chunk["path"]]
        if chunk["dataset"] != evidence.dataset_id or (large["path"], large["size"], large["mtime_ns"]) not in waiting:
            continue  # in place: the claim of the item covers it
        # Killed after it got its name, and before that was recorded, it is no longer under the other one.
        final = evidence.place.target / os.fsdecode(large["path"])
        places = (final.with_name(os.fsdecode(large["temp_name"])), final)
        if all(_chunk_digest(place, chunk["number"], large["size"]) != chunk["digest"] for place in places):
            yield f"chunk {chunk['number']} of {large['path']!r} is recorded, and not at the target"


def i8_no_lock_outlives_its_run(evidence: Evidence) -> Iterator[str]:
    """No process is alive, so no lock is held."""
    places = [*evidence.place.state.rglob("*.lock"), evidence.place.target]
    for path in places:
        if path.exists() and disk.is_locked(path):
            yield f"{path.name} is locked, and nobody is there"


def i9_temp_names_go(evidence: Evidence) -> Iterator[str]:
    """Nothing of ours is left below the root by a run that ended in good order; no temp file is part of the tree."""
    if evidence.has_ended:
        for path in evidence.target:
            if evidence.is_temp(path) or path.rpartition(b"/")[2].startswith(b".migrator-lease"):
                yield f"{path!r} was left behind"
    for row in evidence.items:
        if evidence.is_temp(row["path"]):
            yield f"the temp file {row['path']!r} is part of the manifest"


def i10_only_ours_is_deleted(evidence: Evidence) -> Iterator[str]:
    """What is missing at the target came from the source, is gone there, and was removed under a freeze."""
    # A pass that is under way has deleted nothing yet: what allows to is the last one that came to its end.
    ended = [row for row in evidence.passes if row["ended_at"] is not None]
    is_allowed = evidence.standing["freeze_seq"] is not None and bool(ended) and bool(ended[-1]["is_complete"])
    for path, before in evidence.before.target.items():
        now = evidence.target.get(path)
        if now is not None and now.kind == before.kind:
            if not evidence.versions.knows(path) and now.what != before.what:
                yield f"{path!r} at the target was never ours, and has changed"
            continue
        source = evidence.source.get(path)
        if evidence.is_temp(path):
            continue
        if not evidence.versions.knows(path):
            yield f"{path!r} at the target was never ours, and is gone"
        elif source is not None and source.kind == before.kind:
            yield f"{path!r} is gone from the target, and the source has it"
        elif not is_allowed:
            yield f"{path!r} is gone from the target without a freeze and a complete listing"


def i12_unknown_is_not_empty(evidence: Evidence) -> Iterator[str]:
    """Below a folder that failed nothing is taken for gone: what stood at the target stands there."""
    failed = [row["path"] for row in evidence.items if row["state"] == "failed" and row["kind"] == "directory"]
    gone = {row["path"] for row in evidence.database.rows("item") if row["is_gone"]}
    for folder in failed:
        below = [path for path in evidence.before.target if path.startswith(folder + b"/")]
        yield from (f"{path!r} could not be read at the source, and is missing" for path in _lacks(evidence, below))
        yield from (f"{path!r} is below what cannot be read, and taken for gone" for path in gone & set(below))


def _lacks(evidence: Evidence, paths: list[bytes]) -> Iterator[bytes]:
    return (path for path in paths if path not in evidence.target and not evidence.is_temp(path))


def _claim(row: Row, found: disk.Found | None, tick_ns: int) -> Iterator[str]:
    path, state = row["path"], row["state"]
    if found is None:
        yield f"{path!r} is {state}, and not at the target"
        return
    if found.kind != row["kind"]:
        yield f"{path!r} is {state} as a {row['kind']}, and a {found.kind} stands at the target"
        return
    if found.kind == "link" and found.content != row["link"]:
        yield f"the link {path!r} is {state}, and leads elsewhere"
    if found.kind == "file" and (found.size != row["size"] or row["sha256"] not in {None, found.content}):
        yield f"{path!r} is {state} with other bytes than lie at the target"
    recorded = (row["mode"] & ~_SETID, row["mtime_ns"] // tick_ns)
    if found.kind != "link" and (found.mode, found.mtime_ns // tick_ns) != recorded:
        yield f"{path!r} is {state} with mode and time {recorded}, and has {found.mode}, {found.mtime_ns}"


def _chunk_digest(place: Path, number: int, size: int) -> bytes:
    """SHA-256 over the SHA-256s of the blocks of a chunk, which are padded by nothing."""
    if not place.is_file():
        return b""
    with place.open("rb") as file:
        file.seek(number * _CHUNK_BYTES)
        content = file.read(min(_CHUNK_BYTES, size - number * _CHUNK_BYTES))
    blocks = (content[at : at + _BLOCK_BYTES] for at in range(0, len(content), _BLOCK_BYTES))
    return hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).digest()


def _changes(before: disk.Footprint, now: disk.Footprint, where: str) -> Iterator[str]:
    yield from (f"{path!r} is new {where}" for path in sorted(now.keys() - before.keys()))
    yield from (f"{path!r} is gone {where}" for path in sorted(before.keys() - now.keys()))
    yield from (
        f"{path!r} was written {where}" for path in sorted(before.keys() & now.keys()) if before[path] != now[path]
    )
