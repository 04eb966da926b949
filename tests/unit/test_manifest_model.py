"""The manifest against a model in plain Python: whatever passes, copies and verifications come, both agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.domain.entries import Class, Entry, Kind, Unreadable
from migrator.journal.application import ApplicationJournal
from migrator.journal.database import _pragma
from migrator.journal.manifest import Copied, Manifest
from tests.support.journals import directory, file, link, state

PATHS = [b"", b"a", b"a/x", b"a/y", b"b", b"b/z", b"c"]
_numbers = count()


@dataclass
class Known:
    """What the model knows of one path."""

    entry: Entry
    state: Class = Class.PENDING
    at_target: Kind | None = None
    copied_seq: int = 0
    verified_seq: int = 0
    is_gone: bool = False


@dataclass
class Model:
    """The rules, once more and as simply as possible."""

    source: dict[bytes, Entry] = field(default_factory=dict)
    known: dict[bytes, Known] = field(default_factory=dict)
    is_complete: bool = False  # the latest pass

    def note(self, entry: Entry) -> bool:
        known = self.known.get(entry.path)
        if known is None:
            self.known[entry.path] = Known(entry)
            return True
        is_same = known.entry == entry and not known.is_gone
        if is_same and known.state in (Class.ACKNOWLEDGED, Class.VERIFIED):
            return False
        known.entry, known.state, known.is_gone, known.verified_seq = entry, Class.PENDING, False, 0
        return True

    def exclude(self, entry: Entry) -> None:
        known = self.known.setdefault(entry.path, Known(entry))
        known.entry, known.state, known.is_gone, known.verified_seq = entry, Class.EXCLUDED, False, 0

    def end(self, seen: set[bytes]) -> None:
        for path in set(self.known) - seen:
            if self.known[path].at_target is None:
                del self.known[path]
            else:
                self.known[path].is_gone = True

    def present(self) -> dict[bytes, Known]:
        return {path: known for path, known in self.known.items() if not known.is_gone}


def _entry(path: bytes, kind: Kind, version: int) -> Entry:
    if kind is Kind.DIRECTORY:
        return directory(path, mtime_ns=version)._replace(size=0)
    return file(path, size=version) if kind is Kind.FILE else link(path, b"to %d" % version)


CHANGE = st.tuples(
    st.just("change"),
    st.sampled_from(PATHS),
    st.one_of(st.none(), st.tuples(st.sampled_from([Kind.FILE, Kind.DIRECTORY, Kind.LINK]), st.integers(1, 3))),
)
PASS = st.tuples(st.just("pass"), st.sets(st.sampled_from(PATHS), max_size=2), st.sampled_from(["end", "cut", "blind"]))
OUTCOME = st.tuples(
    st.sampled_from(["copied", "failed", "vanished", "postponed", "verified", "touched", "removed"]),
    st.sets(st.sampled_from(PATHS), min_size=1, max_size=4),
    st.none(),
)
STORY = st.lists(st.one_of(CHANGE, PASS, OUTCOME), min_size=1, max_size=25)


class Player:
    """Plays a story on both."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.model = Model()

    def change(self, path: bytes, to: tuple[Kind, int] | None) -> None:
        if to is None:
            self.model.source.pop(path, None)
        else:
            self.model.source[path] = _entry(path, *to)

    def scan(self, excluded: set[bytes], how: str) -> None:
        entries = [entry for entry in self.model.source.values() if entry.path not in excluded]
        outside = [entry for entry in self.model.source.values() if entry.path in excluded]
        scan = self.manifest.begin_scan()
        self.model.is_complete = False
        work = [entry.path for half in (entries[:2], entries[2:]) for entry in scan.note(half)]
        assert work == [entry.path for entry in entries if self.model.note(entry)]
        scan.exclude([(entry, "excluded") for entry in outside])
        for entry in outside:
            self.model.exclude(entry)
        if how == "blind":
            blind = entries[0].path if entries else b"d"
            scan.unreadable([Unreadable(blind, "permission denied")])
            known = self.model.known.setdefault(blind, Known(directory(blind)._replace(size=0)))
            known.state, known.copied_seq = Class.FAILED, 0
        if how != "cut":
            assert scan.end().is_complete is (how == "end")
        if how == "end":
            self.model.is_complete = True
            self.model.end(set(self.model.source))

    def copied(self, paths: set[bytes]) -> None:
        entries = [self.model.source[path] for path in sorted(paths) if path in self.model.source]
        seq = self.manifest.copied([Copied(entry, b"d" * 32, "stream") for entry in entries])
        for entry in entries:
            self.model.known[entry.path] = Known(entry, Class.ACKNOWLEDGED, entry.kind, seq)

    def stayed(self, outcome: str, paths: set[bytes]) -> None:
        getattr(self.manifest, outcome)([(path, "why not") for path in paths])
        states = {"failed": Class.FAILED, "vanished": Class.VANISHED, "postponed": Class.PENDING}
        for known in (self.model.known[path] for path in paths if path in self.model.known):
            known.state, known.verified_seq = states[outcome], 0

    def verified(self, paths: set[bytes]) -> None:
        at_hand = {each.entry.path for block in self.manifest.to_verify(2**62) for each in block}
        seq = self.manifest.verified([(path, b"v" * 32) for path in paths & at_hand], "read again")
        for path in paths & at_hand:
            self.model.known[path].state, self.model.known[path].verified_seq = Class.VERIFIED, seq

    def touched(self, paths: set[bytes]) -> None:
        self.manifest.touched(paths)
        for known in (self.model.known[path] for path in paths if path in self.model.known):
            if known.state in (Class.ACKNOWLEDGED, Class.VERIFIED):
                known.state, known.verified_seq = Class.PENDING, 0

    def removed(self, paths: set[bytes]) -> None:
        self.manifest.removed(list(paths))
        for path in paths & set(self.model.known):
            known = self.model.known[path]
            if known.is_gone:
                del self.model.known[path]
            elif known.at_target is not known.entry.kind:
                known.at_target = None

    def play(self, verb: str, what: object, how: object) -> None:
        match verb, what, how:
            case "change", bytes(path), None | tuple() as to:
                self.change(path, to)
            case "pass", set(excluded), str(how):
                self.scan(excluded, how)
            case "failed" | "vanished" | "postponed", set(paths), None:
                self.stayed(verb, paths)
            case _, set(paths), None:
                getattr(self, verb)(paths)
            case _:
                raise AssertionError(verb)

    def compare(self) -> None:
        model, manifest = self.model, self.manifest
        present = model.present()
        tally = manifest.tally()
        assert tally.items == dict(Counter(known.state for known in present.values()))
        assert tally.seen == len(present)
        sizes = Counter[Class]()
        for known in present.values():
            sizes[known.state] += known.entry.size
        assert {state: size for state, size in tally.size_bytes.items() if size} == +sizes
        pending = [entry for block in manifest.pending(frozenset(Kind)) for entry in block]
        assert pending == [known.entry for _, known in sorted(present.items()) if known.state is Class.PENDING]
        gone = [(entry.path, entry.kind) for block in manifest.gone() for entry in block]
        expected = [(path, known.at_target) for path, known in sorted(model.known.items()) if known.is_gone]
        assert gone == (expected[::-1] if model.is_complete else [])
        assert manifest.gone_count() == len(gone)
        assert manifest.at_target_count() == sum(known.at_target is not None for known in model.known.values())
        self._compare_proof(present)

    def _compare_proof(self, present: dict[bytes, Known]) -> None:
        freeze_seq = max((known.copied_seq for known in present.values()), default=0) // 2
        left_out = (Class.EXCLUDED, Class.VANISHED)
        doubtful = [
            path
            for path, known in sorted(present.items())
            if known.state not in left_out
            and not (known.state is Class.VERIFIED and known.verified_seq > max(freeze_seq, known.copied_seq))
        ]
        assert [path for path, _ in self.manifest.unproven(freeze_seq)] == doubtful


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApplicationJournal]:
    with ApplicationJournal.open(state(tmp_path_factory.mktemp("model")), "portail") as opened:
        _pragma(opened._database._connection, "synchronous = OFF")  # the rules are tried here, not the disk
        yield opened


@settings(max_examples=60, deadline=None)
@given(story=STORY)
def test_the_manifest_does_what_the_model_does(
    journal: ApplicationJournal, story: list[tuple[str, object, object]]
) -> None:
    player = Player(journal.manifest(f"story {next(_numbers)}"))
    for verb, what, how in story:
        player.play(verb, what, how)
        player.compare()
