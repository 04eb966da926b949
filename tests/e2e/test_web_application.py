"""A small web application moves from one address to another while people use it: nobody gets a wrong answer.

Its pages and uploads are copied out of a real sshd, its name is in BIND, and its traffic goes through HAProxy, which
listens at the old address and at the new one.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import upload_site
from tests.support.cli import Cli
from tests.support.haproxy import Haproxy, haproxy_between
from tests.support.moves import NAME, Move, give
from tests.support.nameservers import ZONE, Key, Server, make_tsig_key, running_primary
from tests.support.plans import Mapped, remote
from tests.support.sshd import Account, Sshd
from tests.support.trees import differences
from tests.support.visitors import PAGES, Visitors, page

OLD, NEW = "127.0.0.2", "127.0.0.3"


@dataclass(frozen=True)
class Town:
    """All that stands between the application's users and its files."""

    move: Move
    haproxy: Haproxy
    names: Server
    key: Key
    port: int  # where HAProxy listens, at either address
    new_port: int  # where the application itself listens at the new place
    visitors: Visitors

    @property
    def cli(self) -> Cli:
        """The command line for a plan that closes uploads, then moves HAProxy's traffic, then the name."""
        place = self.move.source.parent
        closed = str(place / "closed")
        freeze = {
            "on": "source",
            # The lock is free when nobody is writing any more who came in before.
            "apply": ["sh", "-c", f"touch {closed} && flock --exclusive {place}/writing.lock true"],
            "probe": ["test", "-e", closed],
            "undo": ["rm", "-f", closed],
        }
        proxy = {"on": "here", "socket": str(self.haproxy.socket), "backend": "portail", "from": "old", "to": "new"}
        record = {"server": str(self.names.address), "zone": ZONE, "name": NAME, "type": "A", "value": NEW}
        health: Mapped = {"url": f"http://{NEW}:{self.new_port}/site/page-0.html", "contains": "version 2"}
        return self.move.cli(
            freeze=freeze,
            switch=[{"haproxy": proxy}, {"dns": {**record, "key_file": str(self.key.file)}}],
            checks=[{"http": {**health, "timeout": "5 s"}}],
        )

    def deploy(self, version: int) -> None:
        """Bring out a new version of the pages at the old place, as its owners would."""
        self.visitors.appearing = version
        for number in range(PAGES):
            arriving = self.move.source.parent / "page"
            arriving.write_bytes(page(number, version))
            arriving.rename(self.move.source / "site" / f"page-{number}.html")
        self.visitors.version = version

    def lost(self, root: Path) -> list[str]:
        """The uploads whose last acknowledged state is not what stands below `root`."""
        found = {path.name: path.read_bytes() for path in (root / "uploads").iterdir()}
        known = self.visitors.uploads
        return [name for name in found.keys() | known.keys() if found.get(name) != known.get(name)]

    def report(self) -> str:
        """The downtime as the visitors saw it."""
        seen = self.visitors
        return (
            f"{len(seen.reads)} pages read, at most {seen.read_gap_seconds:.3f} s without one; "
            f"{len(seen.accepted)} uploads accepted and {len(seen.refused)} refused, "
            f"at most {seen.upload_gap_seconds:.3f} s without one"
        )


@pytest.fixture
def places(account: Account, ground: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The application's folder at the old provider, with its first version, and the empty one at the new place."""
    old, new = ground / "old", tmp_path / "new"
    for place in (old, new):
        place.mkdir()
        (place / "writing.lock").touch(mode=0o644)
    for folder in ("site", "uploads"):
        (old / "data" / folder).mkdir(parents=True)
    for number in range(PAGES):
        (old / "data" / "site" / f"page-{number}.html").write_bytes(page(number, 1))
    give(old, account)
    return old, new


@pytest.fixture
def town(places: tuple[Path, Path], sshd: Sshd, tmp_path: Path) -> Iterator[Town]:
    old, new = places
    move = Move(tmp_path, old / "data", new / "data", source_end=remote(sshd.endpoint("openssh"), "agent"))
    key = make_tsig_key(tmp_path)
    with contextlib.ExitStack() as stack:
        names = stack.enter_context(running_primary("bind", key))
        names.change(key, NAME, "A", 60, OLD)
        sites = [stack.enter_context(site(*each)) for each in (("old", OLD, old), ("new", NEW, new))]
        fronts = stack.enter_context(at_both_addresses())
        ports = [each.getsockname()[1] for each in sites]
        haproxy = stack.enter_context(haproxy_between(fronts, f"{OLD}:{ports[0]}", f"{NEW}:{ports[1]}"))
        port = fronts[0].getsockname()[1]

        def address() -> tuple[str, int]:
            (found,) = names.ask(NAME)[1]
            return found, port

        yield Town(move, haproxy, names, key, port, ports[1], Visitors(address))


@contextlib.contextmanager
def site(name: str, address: str, place: Path) -> Iterator[socket.socket]:
    """The application at one place, as a process of its own, ended after the block; the socket it listens at."""
    with socket.create_server((address, 0), backlog=128) as listening:
        argv = [sys.executable, str(Path(upload_site.__file__)), name, str(place), str(listening.fileno())]
        with subprocess.Popen(argv, pass_fds=[listening.fileno()]) as process:
            try:
                yield listening
            finally:
                process.kill()


@contextlib.contextmanager
def at_both_addresses() -> Iterator[list[socket.socket]]:
    """Two sockets that listen on one port, at the old address and at the new one."""
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            first = stack.enter_context(socket.create_server((OLD, 0), backlog=128))
            with contextlib.suppress(OSError):  # somebody has that port at the new address
                yield [first, stack.enter_context(socket.create_server((NEW, first.getsockname()[1]), backlog=128))]
                return
    raise RuntimeError("no port is free at both addresses")


def test_nobody_gets_a_wrong_answer_and_no_upload_is_lost(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    cli, visitors = town.cli, town.visitors
    with visitors.coming():
        cli("run", "--until", "seeded")
        town.deploy(2)
        visitors.wait_for_uploads()
        cli("run", "--until", "verified", "--yes")
        visitors.wait_for_refusals()
        outcome = cli("run", "--until", "switched-over", "--yes", "--json")
    assert visitors.wrong == []
    assert town.lost(town.move.target) == []
    assert differences(town.move.source / "site", town.move.target / "site") == []
    assert cli.phases() == {NAME: "switched-over"}
    assert (town.haproxy.status("old").split()[0], town.haproxy.status("new")) == ("DRAIN", "UP")
    assert town.names.ask(NAME) == (60, {NEW})
    assert visitors.reads[-1].by == "new"
    assert {answer.by for answer in visitors.accepted} == {"old", "new"}
    assert {answer.by for answer in visitors.refused} == {"old"}, "uploads are refused under the freeze alone"
    assert [event["moment"] for event in outcome.events("check.made")] == ["before", "after"]
    assert visitors.upload_gap_seconds > 0
    with capsys.disabled():
        sys.stdout.write(f"\nmoved while in use: {town.report()}\n")


def test_rolled_back_before_the_switch_uploads_are_open_again_and_the_next_night_moves_them_all(town: Town) -> None:
    cli, visitors = town.cli, town.visitors
    town.deploy(2)
    with visitors.coming():
        outcome = cli("run", "--until", "verified", "--yes", "--json")
        assert [(each["effect"], each["verb"], each["answer"]) for each in outcome.events("effect.noted")] == [
            ("freeze", "probe", "not in place"),
            ("freeze", "apply", "done"),
            ("freeze", "probe", "in place"),
        ]
        visitors.wait_for_refusals()
        cli("roll-back", "--yes")
        visitors.wait_for_uploads()
        assert town.lost(town.move.target) != [], "what was uploaded since is at the old place alone"
        assert {answer.by for answer in [*visitors.reads, *visitors.accepted]} == {"old"}
        cli("run", "--until", "switched-over", "--yes")
    assert visitors.wrong == []
    assert town.lost(town.move.target) == []
    assert visitors.reads[-1].by == "new"
