"""What an agent says about entries, taken apart with distrust."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Sequence

from migrator.domain import attributes
from migrator.domain.entries import Entry, Kind, Listed, Unchanged, Unreadable, display
from migrator.endpoints.agent import program as agent

_KINDS = (Kind.FILE, Kind.DIRECTORY, Kind.LINK, Kind.SPECIAL)
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}
_LONGEST_NAME_BYTES = 4096  # no system has names that come near it
_LONGEST_PATH_BYTES = 1 << 20
_MOST_NAMES_IN_A_FOLDER = 2_000_000  # what is remembered of that many takes some 150 MB
_WORDS_LIMIT = 300


class Malformed(Exception):
    """An answer that cannot be; it becomes a SafetyStop where it is known who said it."""


def facts_of(entry: Entry) -> bytes:
    """The facts of `entry` as a target's agent needs them."""
    return agent.FACTS.pack(
        _NUMBERS[entry.kind], entry.size, entry.mtime_ns, entry.mode, entry.uid, entry.gid, 0, 0, 0, 0, 0
    )


def attributes_of(entry: Entry, keep: frozenset[str]) -> bytes:
    """The attributes of `entry` that are to be kept, as a target's agent needs them."""
    return agent.UNSEEN if entry.xattrs is None else agent.packed(attributes.kept(entry.xattrs, keep))


def take_attributes(body: bytes, at: int) -> tuple[bytes | None, int]:
    """The attributes at `at`, None for those that could not be read, and where the next thing begins."""
    if body.startswith(agent.UNSEEN, at):
        return None, at + len(agent.UNSEEN)
    text, end = take_text(body, at, attributes.LARGEST_BYTES)
    if text:
        try:
            attributes.unpacked(text)
        except ValueError as error:
            raise Malformed(str(error)) from None
    return text, end


def take_entry(body: bytes, at: int, path: bytes) -> Entry:
    """The entry whose facts stand at `at`; its link text is not among them."""
    kind, size, mtime, mode, uid, gid, ctime, inode, links, device, allocated = agent.FACTS.unpack_from(body, at)
    if kind >= len(_KINDS) or mode > 0o7777 or (size and kind != agent.FILE) or max(size, allocated) >= 1 << 63:
        raise Malformed(f"impossible facts of `{display(path)}`")
    return Entry(
        path, _KINDS[kind], size, mtime, mode, uid, gid, None, ctime, _signed(inode), links, _signed(device), allocated
    )


def _signed(number: int) -> int:
    """A number of 64 bits as the journal can keep it; some file systems use all of them."""
    return number - (1 << 64) if number >> 63 else number


def take_text(body: bytes, at: int, most: int = _LONGEST_PATH_BYTES) -> tuple[bytes, int]:
    """The text at `at`, and where the next thing begins."""
    (length,) = agent.U32.unpack_from(body, at)
    end = at + 4 + length
    if length > most or end > len(body):
        raise Malformed(f"a text of {length} bytes")
    return body[at + 4 : end], end


def take_reasons(body: bytes, count: int) -> list[str | None]:
    """One reason for each of `count` items, None for those that went well."""
    reasons: list[str | None] = []
    at = 0
    try:
        while at < len(body):
            text, at = take_text(body, at)
            reasons.append(shown(text) if text else None)
    except struct.error:
        raise Malformed("outcomes that cannot be understood") from None
    if len(reasons) != count:
        raise Malformed(f"{len(reasons)} outcomes of {count}")
    return reasons


def shown(words: bytes) -> str:
    """An agent's words, safe on a terminal and of a bearable length."""
    return display(words[:_WORDS_LIMIT])


Told = Entry | Unreadable | Listed | Unchanged


class Listing:
    """A scan as it arrives: every folder is announced before it is listed, and listed once; no name comes twice.

    A folder that is unchanged announces as many folders in it as it says; `known` are the fingerprints, in order, that
    the agent was given.
    """

    def __init__(self, known: Sequence[bytes] = ()) -> None:
        self._known = known
        self._announced: set[bytes] = set()
        self._untold: dict[bytes, int] = {}  # by unchanged folder: the folders in it that have not come up yet
        self._folder: bytes | None = None
        self._prefix = b""
        self._names: set[int] = set()  # hashes: names themselves may be of any length
        self._has_root = False

    def take(self, body: bytes) -> list[Told]:
        """The entries of one block; Malformed for names and folders that cannot be."""
        found: list[Told] = []
        at = 0
        try:
            while at < len(body):
                kind = body[at]
                at += 1
                if kind == agent.ENTRY:
                    entry, at = self._entry(body, at)
                    found.append(entry)
                elif kind == agent.FOLDER:
                    path, at = take_text(body, at)
                    self._enter(path)
                else:
                    rare, at = self._rare(kind, body, at)
                    found.append(rare)
        except struct.error:
            raise Malformed("a block that is cut short") from None
        return found

    def _enter(self, path: bytes) -> None:
        if path == self._folder:
            return  # its names go on in another block
        self._expect(path)
        self._folder = path
        self._prefix = path + b"/" if path else b""
        self._names = set()

    def _expect(self, path: bytes) -> None:
        """Take note that a folder comes up, which must be announced by name or by number."""
        if path in self._announced:
            self._announced.discard(path)
            return
        above, _, name = path.rpartition(b"/")
        left = self._untold.get(above, 0) if name not in {b"", b".", b".."} and b"\0" not in name else 0
        if not left:
            raise Malformed(f"the names of `{display(path)}`, which is no folder of this tree or came before")
        self._untold[above] = left - 1
        if left == 1:
            del self._untold[above]

    def _rare(self, kind: int, body: bytes, at: int) -> tuple[Told, int]:
        if kind == agent.UNREADABLE:
            return self._unreadable(body, at)
        if kind == agent.LISTED:
            path, at = take_text(body, at)
            if path != self._folder or at + agent.FINGERPRINT_BYTES > len(body):
                raise Malformed(f"a fingerprint of `{display(path)}`, which was not listed just now")
            end = at + agent.FINGERPRINT_BYTES
            return Listed(path, body[at:end]), end
        if kind == agent.SAME:
            return self._same(body, at)
        raise Malformed(f"a record of kind {kind}")

    def _same(self, body: bytes, at: int) -> tuple[Unchanged, int]:
        path, at = take_text(body, at)
        fingerprint, entries, size_bytes, folders = agent.SAME_FACTS.unpack_from(body, at)
        place = bisect_left(self._known, fingerprint)
        if place >= len(self._known) or self._known[place] != fingerprint:
            raise Malformed(f"`{display(path)}` as unchanged, which is not known")
        if folders > entries or max(entries, size_bytes) >= 1 << 63:
            raise Malformed(f"impossible numbers of `{display(path)}`")
        self._expect(path)
        self._folder = None  # no names of it may come
        if folders:
            self._untold[path] = folders
        return Unchanged(path, entries, size_bytes), at + agent.SAME_FACTS.size

    def _entry(self, body: bytes, at: int) -> tuple[Entry, int]:
        name, after = take_text(body, at + agent.FACTS.size)
        link, after = take_text(body, after)
        xattrs, after = take_attributes(body, after)
        path = self._prefix + name if self._has_root else name
        entry = take_entry(body, at, path)._replace(xattrs=xattrs)
        self._check(name, entry)
        if entry.kind is Kind.LINK:
            entry = entry._replace(link=link)
        elif link:
            raise Malformed(f"a link text of `{display(path)}`, which is none")
        if entry.kind is Kind.DIRECTORY:
            self._announced.add(path)
        return entry, after

    def _check(self, name: bytes, entry: Entry) -> None:
        if not self._has_root:
            if name or entry.kind is not Kind.DIRECTORY:
                raise Malformed("a tree without a root")
            self._has_root = True
            return
        is_odd = b"/" in name or b"\0" in name or name in {b"", b".", b".."} or len(name) > _LONGEST_NAME_BYTES
        if self._folder is None or is_odd:
            raise Malformed(f"the name `{shown(name)}`")
        remembered = hash(name)
        if remembered in self._names:
            raise Malformed(f"the name `{display(name)}` twice in one folder")
        if len(self._names) >= _MOST_NAMES_IN_A_FOLDER or len(entry.path) > _LONGEST_PATH_BYTES:
            raise Malformed("a folder without end")
        self._names.add(remembered)

    def _unreadable(self, body: bytes, at: int) -> tuple[Unreadable, int]:
        path, at = take_text(body, at)
        reason, at = take_text(body, at)
        if path != self._folder:
            self._enter(path)
        return Unreadable(path, shown(reason) or "unknown"), at
