"""The agent lane against real servers and real Pythons: what `auto` takes, and what follows when an agent dies."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from migrator.domain.entries import Entry, Kind
from migrator.domain.plan import EndpointSpec, Lane
from migrator.endpoints.agent import program as agent
from migrator.endpoints.agent import session
from migrator.endpoints.agent.hashing import Hashing
from migrator.endpoints.agent.session import COMMAND, AgentSession, agent_text
from migrator.endpoints.opening import open_endpoint
from migrator.endpoints.ssh.failures import NoCommand
from migrator.errors import EndpointUnavailable, SafetyStop
from tests.support.sftp_pipe import PipeChannel, piped_agent
from tests.support.sshd import Account, ClientKey, Setup, Sshd, running_sshd, wait_for


def runs(python: str) -> bool:
    """Whether a Python is behind that name; some machines have names only."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


PYTHONS = [path for minor in range(6, 15) if (path := shutil.which(f"python3.{minor}")) and runs(path)]


def spec_of(sshd: Sshd, connector: str, lane: Lane) -> EndpointSpec:
    return dataclasses.replace(sshd.endpoint("openssh" if connector == "openssh" else "paramiko"), lane=lane)


@pytest.mark.parametrize("connector", ["openssh", "paramiko"])
class TestChoice:
    def test_auto_takes_the_agent_where_python_answers(self, sshd: Sshd, ground: Path, connector: str) -> None:
        spec = spec_of(sshd, connector, "auto")
        endpoint = open_endpoint(spec, {})
        abilities = endpoint.source(os.fsencode(ground)).abilities
        assert (abilities.lane, abilities.sees_ctime) == ("agent", True)
        assert abilities.peer.startswith("OpenSSH")
        assert "Python 3." in abilities.peer
        assert [found.path for block in endpoint.source(os.fsencode(ground)).scan() for found in block] == [b""]
        endpoint.close()
        wait_for(lambda: not sshd.sessions(), "the server has no session left, and so no agent")

    def test_auto_takes_sftp_where_no_command_is_run(
        self, account: Account, client_key: ClientKey, ground: Path, connector: str
    ) -> None:
        with running_sshd(Setup(account, client_key, lines=("ForceCommand internal-sftp",))) as sshd:
            endpoint = open_endpoint(spec_of(sshd, connector, "auto"), {})
            tree = endpoint.source(os.fsencode(ground))
            assert tree.abilities.lane == "sftp"
            assert [found.path for block in tree.scan() for found in block] == [b""]
            endpoint.close()

    def test_the_agent_lane_says_what_it_needs(
        self, account: Account, client_key: ClientKey, ground: Path, connector: str
    ) -> None:
        with running_sshd(Setup(account, client_key, lines=("ForceCommand internal-sftp",))) as sshd:
            endpoint = open_endpoint(spec_of(sshd, connector, "agent"), {})
            with pytest.raises(NoCommand) as caught:
                list(endpoint.source(os.fsencode(ground)).scan())
            assert "python3" in (caught.value.hint or "")
            endpoint.close()

    def test_the_sftp_lane_executes_nothing(self, sshd: Sshd, ground: Path, connector: str) -> None:
        endpoint = open_endpoint(spec_of(sshd, connector, "sftp"), {})
        assert len(list(endpoint.source(os.fsencode(ground)).scan())) == 1
        endpoint.close()
        assert "reply" in sshd.log()
        assert "req exec" not in sshd.log()


class TestLoss:
    def test_a_session_that_was_lost_is_followed_by_another(self, sshd: Sshd, ground: Path) -> None:
        (ground / "file").write_bytes(b"content")
        endpoint = open_endpoint(spec_of(sshd, "openssh", "agent"), {})
        tree = endpoint.source(os.fsencode(ground))
        entry = tree.stat(b"file")
        assert entry is not None
        sshd.kill_sessions()
        with pytest.raises(EndpointUnavailable):
            tree.stat(b"file")
        assert [piece.data for piece in tree.read([entry])] == [b"content"]
        endpoint.close()

    def test_a_lock_ends_with_its_connection(self, sshd: Sshd, ground: Path) -> None:
        endpoint = open_endpoint(spec_of(sshd, "openssh", "agent"), {})
        root = os.fsencode(ground)
        with endpoint.target(root, b"k" * 32).hold("a"):
            sshd.kill_sessions()
            with endpoint.target(root, b"k" * 32).hold("b"):
                pass
        endpoint.close()

    def test_a_scan_that_is_given_up_leaves_the_session_usable(self, tmp_path: Path) -> None:
        for number in range(5000):
            (tmp_path / str(number)).touch()
        with piped_agent() as endpoint:
            tree = endpoint.source(os.fsencode(tmp_path))
            scan = tree.scan()
            entries = [entry for entry in next(iter(scan)) if isinstance(entry, Entry)]
            assert tree.stat(entries[1].path) == entries[1], "between two blocks of a scan"
            del scan
            assert sum(len(block) for block in tree.scan()) == 5001


class TestAnswers:
    """A server that answers wrongly."""

    def session(self, answers: bytes) -> AgentSession:
        greeting = agent.U32.pack(agent.PROTOCOL) + agent.U32.pack(0) + agent.packed(b"3.99")
        script = (
            f"import os,sys;os.write(1, {b'noise' + agent.MAGIC + agent.packed(greeting) + answers!r});sys.stdin.read()"
        )
        return AgentSession.start(PipeChannel([COMMAND[0], "-c", script]), "hostile", 5)

    @pytest.mark.parametrize(
        "answer", [agent.ANSWER.pack(1 << 30, 0), agent.ANSWER.pack(0, 0), agent.ANSWER.pack(3, 1) + b"xx"]
    )
    def test_frames_that_cannot_be(self, answer: bytes) -> None:
        session = self.session(answer)
        with pytest.raises(SafetyStop, match="protocol"):
            session.call(agent.SPACE, 0, agent.packed(b"/"))
        assert session.is_over

    def test_an_answer_that_nobody_asked_for(self) -> None:
        session = self.session(agent.ANSWER.pack(1, 0) * 2)
        with pytest.raises(SafetyStop, match="nobody asked"):  # noqa: PT012 - whichever call sees it first
            session.call(agent.MAKE_ROOT, 0, agent.packed(b"/"))
            session.call(agent.MAKE_ROOT, 0, agent.packed(b"/"))

    def test_silence(self) -> None:
        session = self.session(b"")
        session._patience_seconds = 0.2
        with pytest.raises(EndpointUnavailable, match="did not answer"):
            session.call(agent.SPACE, 0, agent.packed(b"/"))


@pytest.mark.parametrize(("answers_within", "is_heard"), [(b"0.1", True), (b"1000", False)])
def test_a_long_hash_is_no_silence(
    answers_within: bytes, is_heard: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that takes four seconds for a file, and a client that waits for two."""
    slow = agent_text().replace(b"def block_digest(data):", b"def block_digest(data):\n    time.sleep(0.2)")
    slow = slow.replace(b"\nANSWER_SECONDS = 0.5", b"\nANSWER_SECONDS = " + answers_within)
    monkeypatch.setattr(session, "agent_text", lambda: slow)
    (tmp_path / "large").write_bytes(bytes(range(256)) * (20 << 12))
    entry = Entry(b"large", Kind.FILE, 20 << 20, 0, 0o644, os.getuid(), os.getgid())
    talk = AgentSession.start(PipeChannel(COMMAND), "slow")
    talk._patience_seconds = 2.0
    digests = Hashing(talk, os.fsencode(tmp_path), [entry], drops_cache=False, blocks=True).digests()
    if is_heard:
        *progress, last = digests
        assert len(progress) > 5
        assert last.sha256 == hashlib.sha256(bytes(range(256)) * (20 << 12)).digest()
    else:
        with pytest.raises(EndpointUnavailable, match="did not answer for 2 s"):
            list(digests)
    talk.close()


@pytest.mark.parametrize("python", PYTHONS)
def test_it_runs_under_the_pythons_at_hand(python: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"x" * 3_000_000)
    (tmp_path / "link").symlink_to("folder")
    with piped_agent(python) as endpoint:
        tree = endpoint.target(os.fsencode(tmp_path), b"k" * 32)
        found = {entry.path: entry for block in tree.scan() for entry in block if isinstance(entry, Entry)}
        assert found.keys() == {b"", b"folder", b"folder/file", b"link"}
        entry = found[b"folder/file"]
        writer = tree.writer(frozenset({"mode", "times"}))
        copy = entry._replace(path=b"new/copy")
        writer.begin(copy)
        for piece in tree.read([entry]):
            writer.write(piece.data)
        writer.finish(copy)
        writer.link(found[b"link"]._replace(path=b"new/link"))
        assert [landed.problem for landed in writer.commit()] == [None, None]
        assert tree.stat(b"new/copy") is not None
        assert (tmp_path / "new" / "copy").read_bytes() == b"x" * 3_000_000
        assert f"Python {python.rpartition('python')[2]}" in tree.abilities.peer
        writer.close()
        *_, copied = tree.digests([copy])
        assert copied.sha256 == hashlib.sha256(b"x" * 3_000_000).digest()
