"""The whole run killed at a moment nobody chose, again and again, over SSH; then the same command until it ends."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.faults.checker.checking import violations
from tests.faults.checker.evidence import Before, Evidence, Place, Versions
from tests.support.cli import Cli
from tests.support.moves import NAME, Move, give
from tests.support.plans import remote
from tests.support.sshd import Account, Setup, Sshd, descendants, make_key, own_account, running_sshd, wait_for
from tests.support.trees import build_many, differences, set_folder_times, write_file
from torture.rows import Options, Outcome, Row

KILLS = 500
KILLS_A_ROUND = 5  # of one move, from its first seed on; then it is let go to its end
_FILES = 400
_LARGE_BYTES = 20 * 1024 * 1024
_LONGEST_SECONDS = 3.0  # about what one undisturbed run takes
_RUN_SECONDS = 180
_MOST_IDLE_ROUNDS = 10  # in a row, since a kill may come too late by chance
_WAYS = (("openssh", "sftp"), ("openssh", "agent"), ("paramiko", "sftp"), ("paramiko", "agent"))


def torture(options: Options) -> Outcome:
    """Kill `KILLS` times in rounds; a round ends with one run that nobody disturbs, and a look at all of it."""
    chance = random.Random(options.seed)  # noqa: S311 - drawn again with the same seed, and no secret
    wanted, kills, rounds, idle_rounds = options.count(KILLS), 0, 0, 0
    found: list[str] = []
    with own_account() as account:
        ground = account.data / "ground"
        setup = Setup(account, make_key(options.folder / "id"))
        with running_sshd(setup) as server:
            while kills < wanted:
                way = _WAYS[rounds % len(_WAYS)]
                rounds += 1
                with _Round.begun(options.folder / str(rounds), ground, account, server, way) as turn:
                    at_work = turn.kills(min(KILLS_A_ROUND, wanted - kills), chance)
                    kills += at_work
                    lines = turn.lines_at_the_end()
                found += [f"round {rounds} ({way[0]}, {way[1]}): {line}" for line in lines]
                idle_rounds = 0 if at_work else idle_rounds + 1
                if idle_rounds == _MOST_IDLE_ROUNDS:
                    found.append(f"{idle_rounds} rounds were over before anything could be killed")
                    break
    return Outcome(kills, tuple(found), f"{rounds} moves brought to their end")


class _Round:
    """One small application on its way from a server to this machine."""

    def __init__(self, move: Move, cli: Cli) -> None:
        self._move = move
        self._cli = cli
        self._versions = Versions()
        self._versions.note(move.source)
        made = (cli.state, move.frozen, move.switched, move.link, cli.plan.with_name("stderr.txt"))
        state = cli.state / "moving-house"
        self._place = Place(move.source, move.target, state, move.folder, NAME, may_change=made)
        self._before = Before.of(self._place)
        self._lines: list[str] = []

    @classmethod
    @contextlib.contextmanager
    def begun(
        cls, folder: Path, ground: Path, account: Account, server: Sshd, way: tuple[str, str]
    ) -> Iterator[_Round]:
        """Plant the source; removed again at the end."""
        folder.mkdir()
        source = ground / "source"
        build_many(bytes(source), _FILES)
        write_file(bytes(source / "large"), bytes(range(251)) * (_LARGE_BYTES // 251))
        os.symlink("large", source / "link")
        set_folder_times(bytes(source))
        give(ground, account)
        connector, lane = way
        end = server.endpoint("openssh" if connector == "openssh" else "paramiko")
        move = Move(folder, source, folder / "target", remote(end, "agent" if lane == "agent" else "sftp"))
        try:
            yield cls(move, move.cli())
        finally:
            shutil.rmtree(ground)
            shutil.rmtree(folder)

    def kills(self, most: int, chance: random.Random) -> int:
        """Start the run and kill all of it, up to `most` times; how often it was still at work."""
        count = 0
        for _ in range(most):
            moment = chance.uniform(0.2, _LONGEST_SECONDS)
            if not self._killed(moment):
                break
            count += 1
            self._look(f"killed after {moment:.2f} s", has_ended=False)
        return count

    def lines_at_the_end(self) -> list[str]:
        """Type the command once more, undisturbed: what was violated on the way or is wrong now."""
        outcome = self._cli("run", "--yes", "--json", timeout_seconds=_RUN_SECONDS)
        self._look("at the end", has_ended=True, said=outcome.stdout + outcome.stderr)
        move = self._move
        self._lines += differences(move.source, move.target, nanoseconds=False)
        left = [str(path) for path in move.folder.rglob(".migrator-[0-9a-f]*-*")]
        self._lines += [f"a temp file is left: {path}" for path in left]
        if not move.is_switched_over:
            self._lines.append("users were not sent to the target")
        if (classes := {item["class"] for item in self._cli.items()}) != {"verified"}:
            self._lines.append(f"classes at the end: {sorted(classes)}")
        return self._lines

    def _killed(self, after_seconds: float) -> bool:
        """Whether it was still at work when the time was over; all of it is gone then, and what it started here."""
        with self._cli.started("run", "--yes") as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(after_seconds)
                return False
            family = [process.pid, *descendants(process.pid)]
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait(20)
        wait_for(lambda: not any(_is_there(pid) for pid in family), "everything that was killed is gone", 20)
        return True

    def _look(self, when: str, *, has_ended: bool, said: str = "") -> None:
        evidence = Evidence(
            self._place,
            self._versions,
            self._before,
            export=self._cli("export").stdout if (self._place.state / "journal.db").exists() else "",
            is_switched=self._move.is_switched_over,
            said=(said,),
        )
        self._lines += [f"{when}: {line}" for line in violations(replace(evidence, has_ended=has_ended))]


def _is_there(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}/exe")


ROWS = (Row("random-kills", "all processes of a run killed at random moments, then the plain re-run", torture),)
