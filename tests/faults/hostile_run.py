"""A run of migrator against a hostile server or agent, and what of it must not have been."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from migrator.domain.plan import Lane
from tests.faults import hostile_agent, hostile_sftp, sftp_server
from tests.faults.hostile_agent import REAL
from tests.faults.hostile_agent import Behaviour as AgentBehaviour
from tests.faults.hostile_sftp import Behaviour
from tests.support.cli import COMMAND, clean_environment
from tests.support.moves import Move, give
from tests.support.plans import Mapped, local, remote
from tests.support.sshd import Account, Setup, Sshd, make_key, own_account, running_sshd
from tests.support.trees import snapshot, write_file

MOST_MEMORY_MB = 300
MOST_SAID = 20_000  # characters
PATIENCE_SECONDS = 400

# Linux counts in a child's peak what its parent had when it was started: so a small one starts it.
_MEASURED = """\
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:], stdin=subprocess.DEVNULL)
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


@dataclass(frozen=True)
class Ended:
    """How a run ended, and the peak memory of its largest process."""

    code: int
    said: str
    memory_mb: float


@dataclass(frozen=True)
class Site:
    """A server whose behaviour is chosen anew for each run."""

    server: Sshd
    account: Account
    keep: Path  # what the server is told, and writes down
    folder: Path

    def move(self, end: Mapped, role: str) -> Move:
        """A small tree that is to go from or to a hostile end; around both roots lies what nobody may touch."""
        ground = self.account.data / "ground"
        shutil.rmtree(ground, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        far, near = ground / "around", self.folder / "around"
        source, target = (far / "source", near / "target") if role == "source" else (near / "source", far / "target")
        for around in (far, near):
            write_file(bytes(around / "outside" / "secret"), b"nobody touches this")
            write_file(bytes(around / "alpha"), b"nor this")
        for name, size in (("alpha", 1000), ("beta", 1000), ("folder/inside", 10), ("large", 600_000)):
            write_file(bytes(source / name), bytes(name, "ascii")[:1] * size)
        os.symlink("alpha", source / "link")
        give(ground, self.account)
        return Move(self.folder, source, target, *((end, local()) if role == "source" else (local(), end)))


@contextlib.contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A real sshd with the hostile server as its SFTP; `folder` is for the runs."""
    with own_account() as account:
        place = account.data / "server"
        for module in (sftp_server, hostile_sftp):
            assert module.__file__ is not None
            (place / "tests" / "faults").mkdir(parents=True, exist_ok=True)
            shutil.copy(module.__file__, place / "tests" / "faults")
        keep = place / "keep"
        keep.mkdir()
        keep.chmod(0o777)
        key = make_key(folder / "key")
        command = f"env PYTHONPATH={place} {REAL} -B -m tests.faults.hostile_sftp {keep}"
        path = f"SetEnv PATH={_liar(place)}:/usr/bin:/bin HOSTILE_FOLDER={keep}"
        with running_sshd(Setup(account, key, subsystem=command, lines=(path,))) as server:
            yield Site(server, account, keep, folder / "run")


def _liar(place: Path) -> Path:
    """A folder with a `python3` that lies."""
    liar = place / "bin" / "python3"
    liar.parent.mkdir()
    assert hostile_agent.__file__ is not None
    liar.write_text(f"#!{REAL} -B\n" + Path(hostile_agent.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    liar.chmod(0o755)
    return liar.parent


def measured(argv: list[str], folder: Path) -> Ended:
    """Run migrator with these arguments."""
    peak = folder / "peak"
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", _MEASURED, str(peak), *COMMAND, *argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=clean_environment(),
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout + done.stderr, int(peak.read_text()) / 1024)


def hostile_run(site: Site, behaviour: Behaviour | AgentBehaviour) -> tuple[Ended, list[str]]:
    """One run up to `verified` against that behaviour, and what was violated."""
    for left in site.keep.iterdir():
        left.unlink()
    (site.keep / "behaviour").write_text(behaviour.name)
    lane: Lane = "sftp" if isinstance(behaviour, Behaviour) else "agent"
    move = site.move(remote(site.server.endpoint("openssh"), lane), behaviour.role)
    # With an agent the default would believe a source that looks unchanged, and not ask for its content again.
    cli = move.cli(dataset={"proof": "hash"})
    around = [move.source.parent, move.target.parent]
    before = [_outside(place, move.target) for place in around]
    argv = ["run", str(cli.plan), "--state", str(cli.state), "--until", "verified", "--yes"]
    ended = measured(argv, move.folder)
    if behaviour.name == LINK_THEN_CHILD:
        measured(argv, move.folder)
    faults = list(_faults(ended, behaviour.codes))
    if [_outside(place, move.target) for place in around] != before:
        faults.append("something outside the target root was touched")
    faults += _forbidden_writes(site.keep / "writes", behaviour.role, move.target)
    return ended, [f"{behaviour.name}: {fault}" for fault in faults]


LINK_THEN_CHILD = "a folder that is a link at the next listing"


def _faults(ended: Ended, codes: tuple[int, ...]) -> Iterator[str]:
    if ended.code not in codes:
        yield f"exit {ended.code} instead of {codes}: {ended.said[-600:]}"
    if ended.memory_mb > MOST_MEMORY_MB:
        yield f"{ended.memory_mb:.0f} MB of memory"
    if "Traceback" in ended.said:
        yield f"a traceback: {ended.said[-3000:]}"
    if "\x1b" in ended.said:
        yield "an escape reached the terminal"
    if len(ended.said) > MOST_SAID:
        yield f"{len(ended.said)} characters were said"
    if ended.code and not ("error:" in ended.said and "hint:" in ended.said):
        yield f"no error with a hint: {ended.said[-600:]}"


def _outside(around: Path, target: Path) -> dict[bytes, object]:
    """Everything around a target, but not what is in it; the folder itself may get a root or a lease."""
    inner = bytes(target.relative_to(around)) if target.is_relative_to(around) else None
    facts = snapshot(around)
    return {
        path: fact
        for path, fact in facts.items()
        if path and (inner is None or (path != inner and not path.startswith(inner + b"/")))
    }


def _forbidden_writes(log: Path, role: str, target: Path) -> Iterator[str]:
    """What the server was asked to change although nobody may ask that of it."""
    if not log.exists():
        return
    for line in log.read_text().splitlines():
        what, *places = line.split()
        if role == "source":
            yield f"the source was asked for {what}"
        for place in map(bytes.fromhex, places):
            is_lease = place.startswith(bytes(target.parent / f".{target.name}.migrator-lease"))
            if place and not is_lease and place != bytes(target) and not place.startswith(bytes(target) + b"/"):
                yield f"{what} was asked for at {place!r}"
