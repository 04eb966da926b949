"""The checker itself: a sound move passes, and each invariant that is broken on purpose is told by its number."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hmac
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.checker.checking import CHECKS, NOT_SEEN, violations
from tests.faults.checker.evidence import Before, Ending, Evidence, Place, Versions
from tests.support.cli import Cli
from tests.support.moves import NAME, Move
from tests.support.trees import build_many, write_file

GIANT = 9 << 20
SECRET = b"not for anybody's eyes"


@dataclasses.dataclass(frozen=True)
class Ground:
    """A move that is over, as one test may spoil it."""

    place: Place
    versions: Versions
    before: Before
    export: str
    reference: Ending | None = None

    def evidence(self, **more: object) -> Evidence:
        """What the checker gets, with the end of a command in good order; `more` changes that."""
        usual = {"has_ended": True, "is_switched": True, "reference": self.reference}
        evidence = Evidence(self.place, self.versions, self.before, self.export)
        return dataclasses.replace(evidence, **{**usual, **more})  # type: ignore[arg-type]

    def edit(self, statement: str, database: str = f"applications/{NAME}.db") -> None:
        """Change the state by hand."""
        with contextlib.closing(sqlite3.connect(self.place.state / database)) as connection, connection:
            assert connection.execute(statement).rowcount > 0, statement


def build(move: Move) -> tuple[Cli, Versions]:
    """Move a tree up to its switch, with everything that an invariant is about; the source's versions on the way."""
    write_file(bytes(move.source / "giant"), bytes(GIANT))
    build_many(bytes(move.source / "many"), 8)
    for name in ("changing", "deleted", "left.tmp"):
        write_file(bytes(move.source / name))
    (move.source / "link").symlink_to("changing")
    versions = Versions()
    versions.note(move.source)
    cli = move.cli(dataset={"exclude": ["*.tmp"]})
    cli("run", "--until", "seeded")
    write_file(bytes(move.target / "foreign"))
    write_file(bytes(move.source / "changing"), b"changed")
    (move.source / "deleted").unlink()
    versions.note(move.source)
    cli("run", "--yes")
    return cli, versions


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Move, Versions, str]:
    folder = tmp_path_factory.mktemp("checker") / "ground"
    move = Move(folder, folder / "source", folder / "target")
    cli, versions = build(move)
    write_file(bytes(folder / "bystander"))
    return move, versions, cli("export").stdout


@pytest.fixture
def ground(built: tuple[Move, Versions, str], tmp_path: Path) -> Ground:
    move, versions, export = built
    folder = tmp_path / "ground"
    shutil.copytree(move.folder, folder, symlinks=True)
    may_change = (folder / "frozen", folder / "switched", folder / "current")
    state = folder / "state" / "moving-house"
    place = Place(folder / "source", folder / "target", state, folder, NAME, may_change=may_change)
    ground = Ground(place, versions, Before.of(place), export)
    return dataclasses.replace(ground, reference=ground.evidence().ending())


def test_a_sound_move(ground: Ground) -> None:
    evidence = ground.evidence(acts=("probe-no", "apply-begun", "apply-done"), secrets=(SECRET,), strangers=(b"aphp",))
    assert violations(evidence) == []
    assert {row["class"] for row in evidence.exported} == {"verified", "excluded"}


def test_a_state_that_was_never_made(ground: Ground) -> None:
    shutil.rmtree(ground.place.state)
    unborn = Evidence(ground.place, ground.versions, ground.before, export="")
    assert violations(unborn) == []


def test_every_invariant_is_checked_or_said_to_be_unseen() -> None:
    checked = {check.__name__.partition("_")[0].upper() for check in CHECKS}
    assert checked | NOT_SEEN.keys() == {f"I{number}" for number in range(1, 21)}


def _torn(ground: Ground) -> None:
    (ground.place.target / "changing").write_bytes(b"chan")


def _unknown_name(ground: Ground) -> None:
    (ground.place.target / ".migrator-0123").write_bytes(b"looks like ours")


def _not_verified_under_freeze(ground: Ground) -> None:
    ground.edit("UPDATE item SET verified_seq = 1 WHERE path = x'6769616e74'")


def _guard_before_verification(ground: Ground) -> None:
    ground.edit("UPDATE scan SET begun_seq = 0 WHERE purpose = 'guard'")


def _no_proof(ground: Ground) -> None:
    ground.edit("DELETE FROM proof")


def _source_written(ground: Ground) -> None:
    path = ground.place.source / "changing"
    os.utime(path, ns=(0, path.stat().st_mtime_ns))


def _source_entry(ground: Ground) -> None:
    (ground.place.source / "lock").touch()


def _bystander(ground: Ground) -> None:
    (ground.place.around / "bystander").write_bytes(b"changed\n")


def _escaped(ground: Ground) -> None:
    (ground.place.around / "escaped").touch()


def _claimed_and_missing(ground: Ground) -> None:
    (ground.place.target / "link").unlink()


def _claimed_with_an_older_version(ground: Ground) -> None:
    write_file(bytes(ground.place.target / "changing"))  # the source did have it once


def _claimed_with_another_mode(ground: Ground) -> None:
    (ground.place.target / "giant").chmod(0o600)


def _chunk_that_is_not_there(ground: Ground) -> None:
    facts = "SELECT dataset, path, '.migrator-temp', size, mtime_ns, ctime_ns, inode FROM item"
    ground.edit("UPDATE item SET state = 'pending' WHERE path = x'6769616e74'")
    ground.edit(f"INSERT INTO large_file {facts} WHERE path = x'6769616e74'")
    ground.edit("INSERT INTO chunk SELECT dataset, path, 0, x'00', x'00' FROM large_file")


def _ended_otherwise(ground: Ground) -> None:
    ground.edit("UPDATE standing SET phase = 'switching'")


def _applied_twice(ground: Ground) -> None:
    ground.edit("UPDATE effect SET answer = NULL WHERE effect = 'freeze'")
    ground.edit("INSERT INTO effect SELECT id + 100, effect, verb, intended_at, NULL, NULL FROM effect")


def _temp_left(ground: Ground) -> None:
    ground.edit(f"UPDATE fact SET value = '{'00' * 32}' WHERE name = 'temp-key'")
    token = b"0" * 24
    mark = hmac.digest(bytes(32), token, "sha256").hex()[:24]
    (ground.place.target / f".migrator-{token.decode()}-{mark}").touch()


def _foreign_deleted(ground: Ground) -> None:
    (ground.place.target / "foreign").unlink()


def _foreign_changed(ground: Ground) -> None:
    (ground.place.target / "foreign").write_bytes(b"other\n")


def _deleted_too_much(ground: Ground) -> None:
    (ground.place.target / "giant").unlink()


def _item_lost(ground: Ground) -> None:
    ground.edit("DELETE FROM item WHERE path = x'6769616e74'")


def _without_reason(ground: Ground) -> None:
    ground.edit("UPDATE item SET reason = NULL WHERE state = 'excluded'")


def _left_open(ground: Ground) -> None:
    ground.edit("UPDATE item SET state = 'acknowledged' WHERE path = x'6769616e74'")


def _unreadable_taken_for_empty(ground: Ground) -> None:
    ground.edit("UPDATE item SET state = 'failed', reason = 'closed' WHERE path = CAST('many' AS BLOB)")
    ground.edit("UPDATE item SET is_gone = 1 WHERE CAST(path AS TEXT) LIKE 'many/%'")


def _run_without_plan(ground: Ground) -> None:
    ground.edit("UPDATE run SET plan_digest = 'another'", "journal.db")


def _attempt_without_run(ground: Ground) -> None:
    ground.edit("UPDATE attempt SET run_id = 'nobody'")


def _secret_kept(ground: Ground) -> None:
    (ground.place.state / "note").write_bytes(b"password: " + SECRET)


def _strange_name(ground: Ground) -> None:
    (ground.place.state / "applications" / f"{NAME}.txt").write_bytes(b"of aphp")


def _edited_row(ground: Ground) -> None:
    ground.edit("UPDATE attempt SET error = 'another'")


def _edited_link(ground: Ground) -> None:
    ground.edit("UPDATE chain SET at = at || '0' WHERE number = 2")


def _cut_tail(ground: Ground) -> None:
    ground.edit("DELETE FROM chain WHERE number = (SELECT max(number) FROM chain)", "journal.db")


def _open_to_others(ground: Ground) -> None:
    (ground.place.state / "journal.db").chmod(0o644)


def _another_program(ground: Ground) -> None:
    with contextlib.closing(sqlite3.connect(ground.place.state / "journal.db")) as connection:
        connection.execute("PRAGMA application_id = 7")


def _damaged(ground: Ground) -> None:
    with (ground.place.state / "journal.db").open("r+b") as file:
        file.seek(5000)
        file.write(b"\xff" * 4000)


BREAKAGES: tuple[tuple[str, Callable[[Ground], None]], ...] = (
    ("I1", _torn),
    ("I1", _unknown_name),
    ("I2", _not_verified_under_freeze),
    ("I2", _guard_before_verification),
    ("I2", _no_proof),
    ("I3", _source_written),
    ("I3", _source_entry),
    ("I4", _bystander),
    ("I4", _escaped),
    ("I5", _claimed_and_missing),
    ("I5", _claimed_with_an_older_version),
    ("I5", _claimed_with_another_mode),
    ("I5", _chunk_that_is_not_there),
    ("I6", _ended_otherwise),
    ("I6", _claimed_with_an_older_version),
    ("I7", _applied_twice),
    ("I9", _temp_left),
    ("I10", _foreign_deleted),
    ("I10", _foreign_changed),
    ("I10", _deleted_too_much),
    ("I11", _item_lost),
    ("I11", _without_reason),
    ("I11", _left_open),
    ("I12", _unreadable_taken_for_empty),
    ("I14", _run_without_plan),
    ("I14", _attempt_without_run),
    ("I16", _secret_kept),
    ("I17", _strange_name),
    ("I19", _edited_row),
    ("I19", _edited_link),
    ("I19", _cut_tail),
    ("I20", _open_to_others),
    ("I20", _another_program),
    ("I20", _damaged),
)


@pytest.mark.parametrize(("invariant", "breakage"), BREAKAGES, ids=[each.__name__.strip("_") for _, each in BREAKAGES])
def test_a_broken_state(invariant: str, breakage: Callable[[Ground], None], ground: Ground) -> None:
    breakage(ground)
    found = violations(ground.evidence(secrets=(SECRET,), strangers=(b"aphp",)))
    assert invariant in {line.partition(":")[0] for line in found}, found


@pytest.mark.parametrize(
    ("invariant", "more"),
    [
        ("I7", {"acts": ("probe-no", "apply-begun", "apply-begun")}),
        ("I16", {"said": (f"the password is {SECRET.decode()}",), "secrets": (SECRET,)}),
        ("I18", {"said": ("a name with \x1b[31m in it",)}),
    ],
)
def test_what_was_seen_elsewhere(invariant: str, more: dict[str, object], ground: Ground) -> None:
    assert [line.partition(":")[0] for line in violations(ground.evidence(**more))] == [invariant]


def test_a_lane_of_whole_seconds(ground: Ground) -> None:
    path = ground.place.target / "giant"
    seconds = path.stat().st_mtime_ns // 10**9
    os.utime(path, ns=(0, seconds * 10**9))
    sound = ground.evidence(sees_nanoseconds=False, reference=None)
    assert violations(sound) == []
    os.utime(path, ns=(0, (seconds + 1) * 10**9))
    (line,) = violations(ground.evidence(sees_nanoseconds=False, reference=None))
    assert line.startswith("I5:")


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def test_a_lock_that_is_held_by_nobody_we_know(ground: Ground) -> None:
    with held(ground.place.state / "applications" / f"{NAME}.lock"):
        (line,) = violations(ground.evidence())
    assert line.startswith("I8:")


def test_every_check_has_a_broken_state() -> None:
    broken = {invariant for invariant, _ in BREAKAGES} | {"I7", "I8", "I18"}
    assert broken == {check.__name__.partition("_")[0].upper() for check in CHECKS}
