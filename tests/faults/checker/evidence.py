"""What the checker is given, and what it finds by looking."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.checker import disk, state

_TEMP = re.compile(rb"\.migrator-([0-9a-f]{24})-([0-9a-f]{24})\Z")


class Versions:
    """Every version that the source ever had of each path."""

    def __init__(self) -> None:
        self._had: dict[bytes, set[tuple[str, bytes]]] = {}

    def note(self, source: Path) -> None:
        """Take in the source as it is now: whenever it was changed."""
        for path, found in disk.tree(source).items():
            self._had.setdefault(path, set()).add(found.what)

    def had(self, path: bytes, what: tuple[str, bytes]) -> bool:
        """Whether the source once had exactly that."""
        return what in self._had.get(path, ())

    def knows(self, path: bytes) -> bool:
        """Whether the source once had anything there."""
        return path in self._had


@dataclass(frozen=True)
class Place:
    """One application with one dataset on this machine, and where all of it lies."""

    source: Path
    target: Path
    state: Path  # the folder of the migration
    around: Path  # a folder that holds all of these
    application: str
    dataset: str = "files"
    may_change: tuple[Path, ...] = ()  # beside target and state: links and flags of switches and hooks

    @property
    def apart(self) -> tuple[Path, ...]:
        """What the footprint of the surroundings does not cover."""
        return (self.source, self.target, self.state, *self.may_change)


@dataclass(frozen=True)
class Before:
    """How it stood before the command."""

    source: disk.Footprint
    around: disk.Footprint
    target: disk.Tree

    @classmethod
    def of(cls, place: Place) -> Before:
        """Look now."""
        return cls(disk.footprint(place.source), disk.footprint(place.around, place.apart), disk.tree(place.target))


class Ending(NamedTuple):
    """What two runs that are to end alike have in common."""

    phase: str
    target: disk.Tree
    items: frozenset[tuple[object, ...]]


@dataclass(frozen=True)
class Evidence:
    """All that can be known from outside about a move at rest: no process of it is alive."""

    place: Place
    versions: Versions
    before: Before
    export: str  # what the command of that name printed
    has_ended: bool = False  # in good order, exit 0; otherwise it was killed
    is_switched: bool = False  # whether any user is sent to the target
    reference: Ending | None = None  # how a run that nobody killed ended
    acts: tuple[str, ...] = ()  # what the hooks themselves wrote down: "probe-no", "apply-begun", ...
    sees_nanoseconds: bool = True  # false where the lane to the target carries whole seconds
    may_write_source: bool = False  # a fall back was made, and the plan allows it
    secrets: tuple[bytes, ...] = ()  # values that may be nowhere
    strangers: tuple[bytes, ...] = ()  # names of other owners
    said: tuple[str, ...] = field(default=(), repr=False)  # everything that was printed

    @cached_property
    def journal(self) -> state.Database:
        """The database of the migration."""
        return state.read(self.place.state / "journal.db")

    @cached_property
    def database(self) -> state.Database:
        """The database of the application."""
        return state.read(self.place.state / "applications" / f"{self.place.application}.db")

    @cached_property
    def target(self) -> disk.Tree:
        """The target as it is."""
        return disk.tree(self.place.target)

    @cached_property
    def source(self) -> disk.Tree:
        """The source as it is."""
        return disk.tree(self.place.source)

    @cached_property
    def standing(self) -> Mapping[str, Any]:
        """The phase and the freeze; `planned` before anything was recorded."""
        rows = self.database.rows("standing")
        return rows[0] if rows else {"phase": "planned", "freeze_seq": None}

    @cached_property
    def dataset_id(self) -> int | None:
        """The number of the dataset; None before anything was recorded."""
        rows = self.database.rows("dataset")
        return next((int(row["id"]) for row in rows if row["name"] == self.place.dataset), None)

    @cached_property
    def items(self) -> list[state.Row]:
        """The manifest, without what is gone at the source."""
        rows = self.database.rows("item")
        return [row for row in rows if row["dataset"] == self.dataset_id and not row["is_gone"]]

    @cached_property
    def passes(self) -> list[state.Row]:
        """The scans that became the manifest, in their order."""
        rows = sorted(self.database.rows("scan"), key=lambda row: int(row["id"]))
        return [row for row in rows if row["purpose"] == "pass" and row["dataset"] == self.dataset_id]

    @cached_property
    def exported(self) -> list[dict[str, Any]]:
        """The lines of `export`."""
        return [json.loads(line) for line in self.export.splitlines()]

    def is_temp(self, path: bytes) -> bool:
        """Whether the path is a temp file's, made with the key in the state."""
        match = _TEMP.match(path.rpartition(b"/")[2])
        key = self.database.fact("temp-key")
        if match is None or key is None:
            return False
        mark = hmac.digest(bytes.fromhex(key), match[1], hashlib.sha256).hex()[:24].encode()
        return hmac.compare_digest(mark, match[2])

    def ending(self) -> Ending:
        """To compare another run with."""
        keys = ("path_b64", "kind", "size_bytes", "mtime_ns", "class", "sha256", "verified_by", "reason")
        items = frozenset(tuple(row[key] for key in keys) for row in self.exported)
        return Ending(str(self.standing["phase"]), self.target, items)
