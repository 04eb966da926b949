"""No options, environment, edited plan or edited row of the journal reach a switch for an item that is not verified.

One byte of a file at the target was flipped after it was copied: it can never be verified as it stands. Whatever is
tried, users are not sent to it.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cli import Cli
from tests.support.moves import NAME, Move, flip_a_byte

BAD = "x'626164'"  # the path `bad`
FINE = "x'66696e65'"


@dataclass(frozen=True)
class Trap:
    """An application that is copied, frozen and approved, with a file at the target that is not what it should be."""

    move: Move
    cli: Cli
    log: Path  # of the second switch

    @property
    def database(self) -> Path:
        return self.cli.state / "moving-house" / "applications" / f"{NAME}.db"

    @property
    def journal(self) -> Path:
        return self.cli.state / "moving-house" / "journal.db"

    def assert_nobody_was_sent(self) -> None:
        assert self.move.is_untouched
        assert not self.log.exists(), "no switch was even tried"

    def edit(self, path: Path, *statements: str) -> None:
        with closing(sqlite3.connect(path)) as raw:
            for statement in statements:
                assert raw.execute(statement).rowcount > 0, f"`{statement}` changed nothing"
            raw.commit()

    def rewrite(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the application in the plan, and have the change accepted as far as that goes."""
        plan = yaml.safe_load(self.cli.plan.read_text())
        change(plan["waves"][0]["applications"][0])
        self.cli.plan.write_text(yaml.safe_dump(plan, sort_keys=False))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Trap:
    folder = tmp_path_factory.mktemp("prepared")
    move = Move(folder, folder / "source", folder / "target")
    move.source.mkdir()
    for name in ("bad", "fine", "third"):
        (move.source / name).write_text(f"content of {name}")
    log = folder / "switch-log"
    note = {
        "on": "here",
        "apply": ["sh", "-c", f"echo applied >> {log}; touch {move.switched}"],
        "probe": ["test", "-e", str(move.switched)],
        "undo": ["rm", "-f", str(move.switched)],
    }
    first = move.application()["switch"][0]
    cli = move.cli(switch=[{"command": note}, first])
    cli("run", "--until", "synced", "--yes")
    cli("approve", "switch-over")
    flip_a_byte(move.target / "bad")
    for kept in ("state", "target"):
        shutil.copytree(folder / kept, folder / "kept" / kept, symlinks=True)
    shutil.copy(cli.plan, folder / "kept" / "plan.yaml")
    return Trap(move, cli, log)


@pytest.fixture
def trap(prepared: Trap) -> Iterator[Trap]:
    """The trap as it was made; whatever the test before did to it is gone."""
    folder = prepared.move.folder
    for kept in ("state", "target"):
        shutil.rmtree(folder / kept)
        shutil.copytree(folder / "kept" / kept, folder / kept, symlinks=True)
    shutil.copy(folder / "kept" / "plan.yaml", prepared.cli.plan)
    yield prepared
    prepared.assert_nobody_was_sent()


HEAD = "DELETE FROM fact WHERE name = 'chain-head'"
EDITS = {
    # The phase and the freeze: the chain tells.
    "phase verified": (9, "UPDATE standing SET phase = 'verified'"),
    "phase switching": (9, "UPDATE standing SET phase = 'switching'"),
    "phase switched over": (9, "UPDATE standing SET phase = 'switched-over'"),
    "frozen before everything": (9, "UPDATE standing SET freeze_seq = 0"),
    "no standing": (9, "DELETE FROM standing"),
    "a switch that had begun": (
        9,
        "UPDATE standing SET phase = 'switching'",
        "INSERT INTO effect (id, effect, verb, intended_at) VALUES (99, 'switch 1 (command)', 'apply', '2018-07-01')",
    ),
    "an attempt that verified": (
        9,
        (
            "INSERT INTO attempt (id, run_id, step, started_at, ended_at, phase) "
            "VALUES (99, 'r', 'verify', '2018-07-01', '2018-07-01', 'verified')"
        ),
    ),
    "no chain": (9, "DELETE FROM chain"),
    "no chain and no end of it": (9, "UPDATE standing SET phase = 'verified'", "DELETE FROM chain", HEAD),
    "a scan that was never made": (
        9,
        "UPDATE scan SET begun_seq = 9999, seq = 10000 WHERE id = (SELECT max(id) FROM scan)",
    ),
    "a counter that is set back": (9, "UPDATE counter SET seq = 1"),
    # The item itself: it is read again as long as its record is not what was written.
    "verified": (3, f"UPDATE item SET state = 'verified', verified_seq = (SELECT seq FROM counter) WHERE path = {BAD}"),
    "verified in the future": (9, f"UPDATE item SET state = 'verified', verified_seq = 99999 WHERE path = {BAD}"),
    "never copied": (3, f"UPDATE item SET state = 'verified', copied_seq = 0, verified_seq = 3 WHERE path = {BAD}"),
    "another digest": (3, f"UPDATE item SET sha256 = x'{{digest}}' WHERE path = {BAD}"),
    "excluded": (4, f"UPDATE item SET state = 'excluded', reason = 'exclude: bad' WHERE path = {BAD}"),
    "waived": (4, f"UPDATE item SET state = 'waived', reason = 'so it is' WHERE path = {BAD}"),
    "vanished": (4, f"UPDATE item SET state = 'vanished' WHERE path = {BAD}"),
    "gone": (4, f"UPDATE item SET is_gone = 1 WHERE path = {BAD}"),
    "forgotten": (4, f"DELETE FROM item WHERE path = {BAD}"),
    "of another dataset": (
        4,
        "INSERT INTO dataset (id, name) VALUES (99, 'elsewhere')",
        f"UPDATE item SET dataset = 99 WHERE path = {BAD}",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_row_of_the_application(edit: str, trap: Trap) -> None:
    code, *statements = EDITS[edit]
    digest = hashlib.sha256((trap.move.target / "bad").read_bytes()).hexdigest()
    trap.edit(trap.database, *(str(statement).replace("{digest}", digest) for statement in statements))
    trap.cli("run", "--yes", expect=int(code))


def test_a_seal_fits_no_other_item(trap: Trap) -> None:
    """Of two copies of the state, one goes on until its items are sealed; the other is given those seals."""
    flipped = (trap.move.target / "bad").read_bytes()
    flip_a_byte(trap.move.target / "bad")
    other = trap.move.folder / "other"
    shutil.copytree(trap.cli.state, other)
    Cli(trap.cli.plan, other, {})("run", "--yes", "--until", "verified")
    (trap.move.target / "bad").write_bytes(flipped)
    with closing(sqlite3.connect(other / "moving-house" / "applications" / f"{NAME}.db")) as raw:
        ((seal, seq, by),) = raw.execute(f"SELECT seal, verified_seq, verified_by FROM item WHERE path = {FINE}")
    sealed = f"state = 'verified', verified_seq = {seq}, verified_by = '{by}', seal = x'{seal.hex()}'"
    trap.edit(trap.database, f"UPDATE item SET {sealed} WHERE path = {BAD}", f"UPDATE counter SET seq = {seq + 1}")
    shutil.rmtree(other)
    trap.cli("run", "--yes", expect=3)


GIVEN = (
    "INSERT INTO approval (id, gate, application, plan_digest, approved_by, approved_at) "
    "SELECT 'given', 'switch-over', application, plan_digest, 'Mallory', approved_at FROM approval LIMIT 1"
)


@pytest.mark.parametrize(
    "statement",
    [GIVEN, "UPDATE approval SET approved_by = 'Mallory'", "UPDATE recorded_plan SET recorded_by = 'Mallory'"],
    ids=["an approval more", "another approver", "another plan"],
)
def test_an_edited_row_of_the_journal(statement: str, trap: Trap) -> None:
    trap.edit(trap.journal, statement)
    trap.cli("run", "--yes", expect=9)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--yes"], 3),
        (["--yes", "--adopt"], 3),
        (["--yes", "--until", "switched-over"], 3),
        (["--yes", "--until", "decommissioned", "--application", NAME, "--wave", "july"], 3),
        (["--yes", "--dry-run"], 0),
    ],
)
def test_options_of_run(options: list[str], code: int, trap: Trap) -> None:
    trap.cli("run", *options, expect=code)


def test_other_commands_before_it(trap: Trap) -> None:
    for gate in ("freeze", "switch-over", "accept", "decommission", "fall-back"):
        trap.cli("approve", gate)
    trap.cli("accept", expect=4)
    trap.cli("verify", expect=3)
    trap.cli("accept", expect=4)


def test_another_state_knows_nothing_and_trusts_nothing(trap: Trap) -> None:
    elsewhere = str(trap.move.folder / "elsewhere")
    for more in ((), ("--adopt", "--until", "verified")):
        argv = [str(trap.cli.plan), "--state", elsewhere]
        outcome = Cli(trap.cli.plan, Path(elsewhere), {})("run", "--yes", *more, expect=0 if more else 4)
        assert outcome.argv[2:3] == (argv[0],)
    assert (trap.move.target / "bad").read_text() == "content of bad", "what differs was carried again"
    shutil.rmtree(elsewhere)


@pytest.mark.parametrize(
    "variables",
    [{"PYTHONOPTIMIZE": "2"}, {"MIGRATOR_STATE": "/nowhere"}, {"TZ": "Pacific/Kiritimati", "LC_ALL": "C"}],
    ids=lambda variables: next(iter(variables)),
)
def test_environments(variables: dict[str, str], trap: Trap) -> None:
    Cli(trap.cli.plan, trap.cli.state, variables)("run", "--yes", expect=3)


def exclude(application: dict[str, Any]) -> None:
    application["datasets"][0]["exclude"] = ["bad"]


def rename(application: dict[str, Any]) -> None:
    application["datasets"][0]["name"] = "renamed"


def leave_out(application: dict[str, Any]) -> None:
    application["datasets"] = []


def look_elsewhere(application: dict[str, Any]) -> None:
    application["datasets"][0]["target"] += "-2"


def trust(application: dict[str, Any]) -> None:
    application["verify_under_freeze"] = "changed"
    application["datasets"][0]["proof"] = "stat"


def thaw(application: dict[str, Any]) -> None:
    del application["freeze"]


def waive(application: dict[str, Any]) -> None:
    application["waive"] = [{"dataset": "files", "path": "bad", "reason": "nobody reads it"}]


@pytest.mark.parametrize(
    ("change", "accepted", "codes"),
    [
        (exclude, 7, [7]),
        (rename, 7, [7]),
        (leave_out, 7, [7]),
        (look_elsewhere, 7, [7]),
        (trust, 0, [3]),
        (thaw, 7, [7]),
        # It stops at the gate: the approval was for another plan, and `--yes` waives nothing.
        (waive, 0, [3, 0, 0]),
    ],
)
def test_an_edited_plan(change: Callable[[dict[str, Any]], None], accepted: int, codes: list[int], trap: Trap) -> None:
    trap.rewrite(change)
    trap.cli("run", "--yes", expect=7)
    trap.cli("plan", "--accept-changes", expect=accepted)
    for code in codes:
        trap.cli("run", "--yes", expect=code)


def test_an_edited_plan_and_the_edited_memory_of_it(trap: Trap) -> None:
    """The dataset goes elsewhere, and the journal was made to believe that it always has."""
    trap.cli("run", "--until", "verified", "--yes", expect=3)
    trap.cli("run", "--until", "verified", "--yes")
    old, new = str(trap.move.target), f"{trap.move.target}-2"
    shutil.copytree(old, new)
    flip_a_byte(Path(new) / "bad")
    trap.rewrite(look_elsewhere)
    trap.edit(trap.database, f"UPDATE mark SET value = replace(value, '{old}', '{new}') WHERE name = 'planned as'")
    trap.cli("plan", "--accept-changes")
    trap.cli("run", "--yes", expect=4)
    shutil.rmtree(new)


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE item SET sha256 = x'00' WHERE path = {BAD}",
        f"UPDATE item SET size = size + 1 WHERE path = {BAD}",
        f"UPDATE item SET verified_by = 'somebody' WHERE path = {BAD}",
        "UPDATE proof SET freeze_seq = freeze_seq + 1",
        "DELETE FROM proof",
    ],
)
def test_an_edited_row_after_the_verification(statement: str, trap: Trap) -> None:
    trap.cli("run", "--until", "verified", "--yes", expect=3)
    trap.cli("run", "--until", "verified", "--yes")
    trap.edit(trap.database, statement)
    trap.cli("run", "--yes", expect=9 if "proof" in statement else 4)
