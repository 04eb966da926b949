"""What both connectors promise, each against a real OpenSSH server."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shlex
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import paramiko.packet
import pytest

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.contract import OUTPUT_LIMIT_BYTES
from migrator.endpoints.ssh import failures as ssh_failures
from migrator.endpoints.ssh.channel import Channel, Connector
from migrator.endpoints.ssh.connecting import connector_for, open_session
from migrator.endpoints.ssh.failures import NoCommand
from migrator.errors import EndpointUnavailable, LocalFault, MigratorError, SafetyStop
from tests.support.sshd import Account, ClientKey, Setup, Sshd, dead_port, descendants, make_key, running_sshd, wait_for

Name = Literal["openssh", "paramiko"]

INIT = struct.pack(">IBI", 5, 1, 3)  # SSH_FXP_INIT, version 3
OPEN, READ, REALPATH, HANDLE, DATA, NAME = 3, 5, 16, 102, 103, 104


@pytest.fixture(params=["openssh", "paramiko"])
def name(request: pytest.FixtureRequest) -> Name:
    """The connector under test."""
    chosen: Name = request.param
    return chosen


@pytest.fixture
def connector(sshd: Sshd, name: Name) -> Iterator[Connector]:
    """The connector to the usual server."""
    connector = connector_for(sshd.endpoint(name), {})
    yield connector
    connector.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """One try only, where the tries are not the matter."""
    monkeypatch.setattr("migrator.endpoints.ssh.failures._ATTEMPTS", dict.fromkeys(ssh_failures._ATTEMPTS, 1))


def changed(spec: EndpointSpec, **ssh: object) -> EndpointSpec:
    """`spec` with other SSH settings."""
    assert spec.ssh is not None
    return dataclasses.replace(spec, ssh=dataclasses.replace(spec.ssh, **ssh))  # type: ignore[arg-type]


def shaken(channel: Channel) -> Channel:
    """The SFTP handshake by hand, as the lane does it."""
    os.write(channel.write_fd, INIT)
    answer = packet(channel)
    assert answer[:5] == b"\x02\x00\x00\x00\x03"
    return channel


def packet(channel: Channel) -> bytes:
    """The next SFTP packet; EOFError when the channel has ended."""
    return exactly(channel, int.from_bytes(exactly(channel, 4)))


def exactly(channel: Channel, count: int) -> bytes:
    """`count` bytes from the server."""
    got = b""
    while len(got) < count:
        more = os.read(channel.read_fd, count - len(got))
        if not more:
            raise EOFError
        got += more
    return got


def request(kind: int, number: int, *rest: bytes) -> bytes:
    """An SFTP request: `rest` are strings, except what is already packed."""
    body = struct.pack(">BI", kind, number) + b"".join(rest)
    return struct.pack(">I", len(body)) + body


def text(value: bytes) -> bytes:
    """A string as SSH packs it."""
    return struct.pack(">I", len(value)) + value


def refusal(spec: EndpointSpec, endpoints: dict[str, EndpointSpec] | None = None) -> MigratorError:
    """The error that opening a session ends in; a session is a failure."""
    connector = connector_for(spec, endpoints or {})
    try:
        with pytest.raises(MigratorError) as caught:
            open_session(connector.open_sftp, shaken)
    finally:
        connector.close()
    assert f"`{spec.name}`" in caught.value.message or endpoints
    assert caught.value.hint
    return caught.value


class TestSession:
    def test_speaks_sftp(self, connector: Connector) -> None:
        assert connector.peer == "unknown"
        channel = open_session(connector.open_sftp, shaken)
        assert connector.peer.startswith("OpenSSH")
        channel.close()
        channel.close()
        assert connector.peer.startswith("OpenSSH")

    def test_takes_the_fast_cipher_first(self, name: Name, connector: Connector, sshd: Sshd) -> None:
        open_session(connector.open_sftp, shaken)
        has_aes = " aes" in Path("/proc/cpuinfo").read_text()
        assert ("client->server cipher: aes128-gcm@openssh.com" in sshd.log()) == (has_aes or name == "paramiko")

    @pytest.mark.root
    @pytest.mark.skipif(os.geteuid() != 0, reason="a jail needs root")
    def test_works_without_a_shell_in_a_jail(self, name: Name, account: Account, client_key: ClientKey) -> None:
        with running_sshd(Setup(account, client_key, lines=account.jailed(read_only=True))) as sshd:
            connector = connector_for(sshd.endpoint(name), {})
            channel = open_session(connector.open_sftp, shaken)
            os.write(channel.write_fd, request(REALPATH, 7, text(b".")))
            answer = packet(channel)
            connector.close()
        assert answer.startswith(struct.pack(">BII", NAME, 7, 1) + text(b"/"))

    def test_carries_bytes_through_many_key_exchanges(
        self, name: Name, account: Account, client_key: ClientKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(paramiko.packet.Packetizer, "REKEY_BYTES", 1 << 20)
        content = os.urandom(3 << 20)
        file = account.data / f"content-{name}"
        file.write_bytes(content)
        size = 32 * 1024
        with running_sshd(Setup(account, client_key, lines=("RekeyLimit 1M",))) as sshd:
            path = str(file) if account.jail is None else str(account.data / file.name)
            connector = connector_for(sshd.endpoint(name), {})
            channel = open_session(connector.open_sftp, shaken)
            os.write(channel.write_fd, request(OPEN, 1, text(path.encode()), struct.pack(">II", 1, 0)))
            opened = packet(channel)
            assert opened[0] == HANDLE, opened
            handle = opened[5:]
            wanted = b"".join(
                request(READ, n, handle, struct.pack(">QI", n * size, size)) for n in range(len(content) // size)
            )
            os.write(channel.write_fd, wanted)
            answers = {}
            for _ in range(len(content) // size):
                answer = packet(channel)
                assert answer[0] == DATA
                answers[int.from_bytes(answer[1:5])] = answer[9:]
            connector.close()
            assert sshd.log().count("SSH2_MSG_NEWKEYS received") > 2
        arrived = b"".join(answers[n] for n in sorted(answers))
        assert hashlib.sha256(arrived).digest() == hashlib.sha256(content).digest()

    def test_notices_that_the_server_has_died(self, connector: Connector, sshd: Sshd) -> None:
        channel = open_session(connector.open_sftp, shaken)
        sshd.kill_sessions()
        with pytest.raises(EOFError):
            packet(channel)
        error = channel.explain()
        assert isinstance(error, EndpointUnavailable)
        assert "`legacy`: the connection was lost" in error.message

    def test_can_be_interrupted_by_another_thread(self, connector: Connector) -> None:
        channel = open_session(connector.open_sftp, shaken)
        timer = threading.Timer(0.1, channel.interrupt)
        timer.start()
        assert os.read(channel.read_fd, 1) == b""
        timer.join()
        assert "no answer in time" in channel.explain().message

    def test_writing_after_the_end_is_a_broken_pipe(self, connector: Connector, sshd: Sshd) -> None:
        channel = open_session(connector.open_sftp, shaken)
        sshd.kill_sessions()
        assert os.read(channel.read_fd, 1) == b""

        def is_broken() -> bool:
            try:
                os.write(channel.write_fd, INIT)
            except BrokenPipeError:
                return True
            return False

        wait_for(is_broken, "the pipe is broken")

    def test_close_leaves_nothing_behind(
        self, name: Name, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        threads, descriptors = threading.active_count(), open_descriptors()
        connector = connector_for(sshd.endpoint(name), {})
        for _ in range(3):
            open_session(connector.open_sftp, shaken)
        connector.run(["true"], 10)
        connector.close()
        connector.close()
        assert children(sshd) == set()
        assert threading.active_count() == threads
        assert open_descriptors() == descriptors
        assert list(tmp_path.iterdir()) == []
        wait_for(lambda: not sshd.sessions(), "the server has no session left")

    @pytest.mark.usefixtures("impatient")
    def test_what_has_ended_can_still_be_asked_and_closed(self, connector: Connector, sshd: Sshd) -> None:
        channel = open_session(connector.open_sftp, shaken)
        sshd.kill_sessions()
        channel.close()
        assert isinstance(channel.explain(), EndpointUnavailable)
        channel.interrupt()
        channel.close()

    def test_a_handshake_that_fails_in_its_own_way_closes_the_channel(self, connector: Connector, sshd: Sshd) -> None:
        def handshake(channel: Channel) -> None:
            shaken(channel)
            raise SafetyStop("hostile")

        with pytest.raises(SafetyStop, match="hostile"):
            open_session(connector.open_sftp, handshake)
        wait_for(lambda: not sshd.sessions(), "the server has no session left")


def children(sshd: Sshd) -> set[int]:
    """The processes that our side has started."""
    before = sshd.sessions()  # asked twice, since sessions end while we look
    return set(descendants(os.getpid())) - {sshd.process.pid, *before, *sshd.sessions()}


def open_descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


class TestOpenCommand:
    def test_its_input_and_output_are_the_channel(self, connector: Connector, sshd: Sshd) -> None:
        channel = connector.open_command(["sh", "-c", "cat; echo 'the end'"])
        content = os.urandom(100_000)
        os.write(channel.write_fd, content)
        assert exactly(channel, len(content)) == content
        channel.close()
        wait_for(lambda: not sshd.sessions(), "the server has no session left")

    def test_a_command_that_ends_by_itself_says_why(self, connector: Connector) -> None:
        channel = connector.open_command(["sh", "-c", "echo no such thing >&2; exit 127"])
        assert os.read(channel.read_fd, 1) == b""
        error = channel.explain()
        assert isinstance(error, NoCommand)
        assert "no such thing" in error.message

    def test_a_connection_that_is_lost_is_something_else(self, connector: Connector, sshd: Sshd) -> None:
        channel = connector.open_command(["cat"])
        os.write(channel.write_fd, b"x")
        assert exactly(channel, 1) == b"x"
        sshd.kill_sessions()
        assert os.read(channel.read_fd, 1) == b""
        error = channel.explain()
        assert "the connection was lost" in error.message
        assert not isinstance(error, NoCommand)

    def test_a_server_without_a_shell_says_so(self, name: Name, account: Account, client_key: ClientKey) -> None:
        with running_sshd(Setup(account, client_key, lines=("ForceCommand internal-sftp",))) as sshd:
            connector = connector_for(sshd.endpoint(name), {})

            def handshake(channel: Channel) -> None:
                os.write(channel.write_fd, b"0000" * 10)
                exactly(channel, 4096)  # it says that it is for SFTP only, and ends

            with pytest.raises(NoCommand):
                open_session(lambda: connector.open_command(["python3"]), handshake)
            connector.close()


class TestCommands:
    def test_brings_status_and_both_outputs(self, connector: Connector) -> None:
        done = connector.run(["sh", "-c", "echo out; echo err >&2; exit 3"], 10)
        assert done == (3, b"out\n", b"err\n")

    def test_arguments_arrive_as_they_are(self, connector: Connector) -> None:
        awkward = ["a b", "'", '"', "$(id)", "`id`", "x\ny", "-n", "", "*", "\\", "é", "\udcff", "~", ";", "#"]
        done = connector.run(["printf", "%s\\0", *awkward], 10)
        assert done.status == 0
        assert done.stdout.split(b"\0")[:-1] == [os.fsencode(each) for each in awkward]

    def test_standard_input_is_empty(self, connector: Connector) -> None:
        assert connector.run(["cat"], 10) == (0, b"", b"")

    def test_its_own_status_255_is_told_from_a_lost_connection(self, connector: Connector, sshd: Sshd) -> None:
        assert connector.run(["sh", "-c", "exit 255"], 10).status == 255

        def kill_it() -> None:
            wait_for(lambda: has_child_named(sshd, "sleep"), "it sleeps")
            sshd.kill_sessions()

        killer = threading.Thread(target=kill_it)
        killer.start()
        assert connector.run(["sleep", "100"], 90).status is None
        killer.join()

    def test_ends_when_its_time_is_over(self, connector: Connector) -> None:
        began = time.monotonic()
        done = connector.run(["sh", "-c", "echo begun; sleep 100"], 3)
        assert done.status is None
        assert done.stdout == b"begun\n"
        assert time.monotonic() - began < 60

    def test_output_is_bounded(self, connector: Connector) -> None:
        script = "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"
        done = connector.run(["sh", "-c", script], 20)
        assert (done.status, len(done.stdout), len(done.stderr)) == (0, OUTPUT_LIMIT_BYTES, OUTPUT_LIMIT_BYTES)
        assert connector.run(["yes"], 1).status is None

    @pytest.mark.usefixtures("impatient")
    def test_an_unreachable_host_raises(self, name: Name, sshd: Sshd) -> None:
        connector = connector_for(changed(sshd.endpoint(name), port=dead_port()), {})
        with pytest.raises(EndpointUnavailable, match="refused"):
            connector.run(["true"], 10)
        connector.close()


def has_child_named(sshd: Sshd, command: str) -> bool:
    """Whether one of the server's processes runs `command`."""
    names = (Path(f"/proc/{pid}/comm") for pid in sshd.sessions())
    return any(comm.exists() and comm.read_text().strip() == command for comm in names)


class TestHostKeys:
    def test_an_unknown_key_stops_before_any_login(self, name: Name, sshd: Sshd) -> None:
        error = refusal(changed(sshd.endpoint(name), host_keys=()))
        assert isinstance(error, SafetyStop)
        assert "not known" in error.message
        assert f"ssh-keyscan -p {sshd.port} 127.0.0.1" in (error.hint or "")
        assert "host_keys" in (error.hint or "")
        assert_no_login_was_tried(sshd)

    def test_a_changed_key_stops_before_any_login(self, name: Name, sshd: Sshd, tmp_path: Path) -> None:
        other = make_key(tmp_path / "other").public
        error = refusal(changed(sshd.endpoint(name), host_keys=(other,)))
        assert isinstance(error, SafetyStop)
        assert "not the one that was agreed" in error.message
        assert fingerprint(sshd.host_key, tmp_path) in error.message
        assert_no_login_was_tried(sshd)

    def test_a_key_of_another_type_is_a_changed_key(self, name: Name, sshd: Sshd, tmp_path: Path) -> None:
        other = make_key(tmp_path / "other", "ecdsa").public
        error = refusal(changed(sshd.endpoint(name), host_keys=(other,)))
        assert isinstance(error, SafetyStop)
        assert "not the one that was agreed" in error.message
        assert_no_login_was_tried(sshd)

    def test_commands_are_as_strict(self, name: Name, sshd: Sshd) -> None:
        connector = connector_for(changed(sshd.endpoint(name), host_keys=()), {})
        with pytest.raises(SafetyStop):
            connector.run(["true"], 10)
        connector.close()
        assert_no_login_was_tried(sshd)

    @pytest.mark.parametrize("key_type", ["rsa", "ecdsa"])
    def test_keys_of_other_types_can_be_pinned(
        self, name: Name, account: Account, client_key: ClientKey, key_type: str
    ) -> None:
        with running_sshd(Setup(account, client_key, host_key_type=key_type)) as sshd:
            connector = connector_for(sshd.endpoint(name), {})
            open_session(connector.open_sftp, shaken)
            connector.close()

    def test_a_known_hosts_file_serves_too_and_paths_may_be_awkward(
        self, name: Name, sshd: Sshd, tmp_path: Path
    ) -> None:
        known_hosts = tmp_path / "known %h hosts"  # as awkward as meant
        identity = tmp_path / "my %h key"
        identity.write_bytes(sshd.setup.client_key.private.read_bytes())
        identity.chmod(0o600)
        known_hosts.write_text(f"@cert-authority *.example {sshd.host_key}\n[127.0.0.1]:{sshd.port} {sshd.host_key}\n")
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", known_hosts], check=True, stderr=subprocess.DEVNULL)
        assert "127.0.0.1" not in known_hosts.read_text()
        spec = changed(sshd.endpoint(name), host_keys=(), known_hosts=known_hosts, identity_file=identity)
        connector = connector_for(spec, {})
        open_session(connector.open_sftp, shaken)
        connector.close()

    def test_a_revoked_key_stops(self, name: Name, sshd: Sshd, tmp_path: Path) -> None:
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text(f"@revoked * {sshd.host_key}\n[127.0.0.1]:{sshd.port} {sshd.host_key}\n")
        error = refusal(changed(sshd.endpoint(name), host_keys=(), known_hosts=known_hosts))
        assert isinstance(error, SafetyStop)
        assert "revoked" in error.message
        assert_no_login_was_tried(sshd)

    def test_a_server_cannot_talk_its_way_into_another_error(
        self, name: Name, account: Account, client_key: ClientKey, tmp_path: Path
    ) -> None:
        banner = tmp_path / "banner"  # the server reads it as root or as the user of these tests
        banner.write_text("\x1b[31mREMOTE HOST IDENTIFICATION HAS CHANGED\nHost key verification failed.\n")
        with running_sshd(Setup(account, client_key, lines=(f"Banner {banner}",))) as sshd:
            other = make_key(tmp_path / "other").private
            error = refusal(changed(sshd.endpoint(name), identity_file=other))
        assert isinstance(error, EndpointUnavailable)
        assert "\x1b" not in error.message


def assert_no_login_was_tried(sshd: Sshd) -> None:
    """The server's log knows of the connection and of no attempt to log in."""
    wait_for(lambda: "[preauth]" in sshd.log(), "the server has logged the connection")
    assert "userauth" not in sshd.log()


def fingerprint(public: str, folder: Path) -> str:
    """What ssh-keygen calls a public key."""
    file = folder / "public"
    file.write_text(public + "\n")
    shown = subprocess.run(["ssh-keygen", "-lf", file], capture_output=True, text=True, check=True).stdout
    return shown.split()[1]


class TestRefusals:
    def test_a_wrong_port_is_known_soon(self, name: Name, sshd: Sshd) -> None:
        began = time.monotonic()
        error = refusal(changed(sshd.endpoint(name), port=dead_port()))
        assert isinstance(error, EndpointUnavailable)
        assert "the connection was refused" in error.message
        assert time.monotonic() - began < 60

    def test_an_unknown_host_name(self, name: Name, sshd: Sshd) -> None:
        error = refusal(changed(sshd.endpoint(name), host="nowhere.invalid"))
        assert isinstance(error, EndpointUnavailable)
        assert "name is not known" in error.message

    def test_a_wrong_key_is_tried_once(self, name: Name, sshd: Sshd, tmp_path: Path) -> None:
        error = refusal(changed(sshd.endpoint(name), identity_file=make_key(tmp_path / "other").private))
        assert isinstance(error, EndpointUnavailable)
        assert "the login was refused" in error.message
        assert sshd.log().count("Connection from") == 1

    def test_a_missing_identity_file_is_named(self, name: Name, sshd: Sshd, tmp_path: Path) -> None:
        error = refusal(changed(sshd.endpoint(name), identity_file=tmp_path / "missing"))
        assert isinstance(error, EndpointUnavailable)
        assert str(tmp_path / "missing") in error.message
        assert "Connection from" not in sshd.log()

    def test_no_sftp_subsystem(self, name: Name, account: Account, client_key: ClientKey) -> None:
        with running_sshd(Setup(account, client_key, subsystem=None)) as sshd:
            error = refusal(sshd.endpoint(name))
        assert isinstance(error, EndpointUnavailable)
        assert "no SFTP for this account" in error.message

    def test_an_sftp_server_that_ends_at_once(self, name: Name, account: Account, client_key: ClientKey) -> None:
        with running_sshd(Setup(account, client_key, subsystem="/bin/false")) as sshd:
            error = refusal(sshd.endpoint(name))
        assert isinstance(error, EndpointUnavailable)
        assert "ended by itself" in error.message

    def test_a_full_server_is_asked_again(self, name: Name, account: Account, client_key: ClientKey) -> None:
        with running_sshd(Setup(account, client_key, lines=("MaxStartups 1",))) as sshd:
            connector = connector_for(sshd.endpoint(name), {})
            occupant = socket.create_connection(("127.0.0.1", sshd.port))
            wait_for(lambda: "Connection from" in sshd.log(), "the only place is taken")

            def make_room() -> None:
                wait_for(lambda: sshd.log().count("drop connection") >= 2, "two refusals")
                occupant.close()

            helper = threading.Thread(target=make_room)
            helper.start()
            channel = open_session(connector.open_sftp, shaken)
            helper.join()
            channel.close()
            connector.close()

    def test_a_server_that_stays_full_is_given_up(
        self, name: Name, account: Account, client_key: ClientKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("migrator.endpoints.allowance.PATIENCE_SECONDS", 2)
        with (
            running_sshd(Setup(account, client_key, lines=("MaxStartups 1",))) as sshd,
            socket.create_connection(("127.0.0.1", sshd.port)),
        ):
            wait_for(lambda: "Connection from" in sshd.log(), "the only place is taken")
            began = time.monotonic()
            error = refusal(sshd.endpoint(name))
            assert sshd.log().count("drop connection") > 1
        assert isinstance(error, EndpointUnavailable)
        assert "before it said a word" in error.message
        assert time.monotonic() - began < 60

    def test_a_server_that_says_nothing(self, name: Name, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("migrator.endpoints.ssh.openssh.HANDSHAKE_SECONDS", 1)
        monkeypatch.setattr("migrator.endpoints.ssh.paramiko_transport.CONNECT_SECONDS", 1)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            began = time.monotonic()
            error = refusal(changed(sshd.endpoint(name), port=silent.getsockname()[1]))
        assert isinstance(error, EndpointUnavailable)
        assert "no answer in time" in error.message
        assert time.monotonic() - began < 60

    @pytest.mark.parametrize("host", ["-oProxyCommand=touch pwned", "a b", "$(id)", "a,b", "*"])
    def test_names_that_are_more_than_names(self, name: Name, sshd: Sshd, host: str) -> None:
        with pytest.raises(MigratorError, match="cannot be used as an SSH host"):
            connector_for(changed(sshd.endpoint(name), host=host), {})


class TestJumps:
    @pytest.fixture
    def bastion(self, account: Account, client_key: ClientKey) -> Iterator[Sshd]:
        with running_sshd(Setup(account, client_key, subsystem=None)) as server:
            yield server

    def test_the_way_leads_through_the_jump(self, name: Name, sshd: Sshd, bastion: Sshd) -> None:
        hop = bastion.endpoint(name, "bastion")
        spec = changed(sshd.endpoint(name), jump="bastion")
        connector = connector_for(spec, {"bastion": hop, "legacy": spec})
        channel = open_session(connector.open_sftp, shaken)
        assert connector.run(["echo", "a'b"], 10).stdout == b"a'b\n"
        assert "direct-tcpip" in bastion.log()
        channel.close()
        connector.close()
        wait_for(lambda: not bastion.sessions() and not sshd.sessions(), "both servers have no session left")

    def test_several_jumps(self, name: Name, sshd: Sshd, bastion: Sshd) -> None:
        outer = bastion.endpoint(name, "outer")
        inner = changed(bastion.endpoint(name, "inner"), jump="outer")
        spec = changed(sshd.endpoint(name), jump="inner")
        connector = connector_for(spec, {"outer": outer, "inner": inner})
        open_session(connector.open_sftp, shaken)
        connector.close()
        assert bastion.log().count("Accepted publickey") == 2

    def test_the_jump_has_a_pin_of_its_own(self, name: Name, sshd: Sshd, bastion: Sshd, tmp_path: Path) -> None:
        hop = changed(bastion.endpoint(name, "bastion"), host_keys=(make_key(tmp_path / "other").public,))
        error = refusal(changed(sshd.endpoint(name), jump="bastion"), {"bastion": hop})
        assert isinstance(error, SafetyStop)
        assert "`bastion`" in error.message
        assert_no_login_was_tried(bastion)
        assert "Connection from" not in sshd.log()

    def test_the_end_has_a_pin_of_its_own(self, name: Name, sshd: Sshd, bastion: Sshd) -> None:
        hop = bastion.endpoint(name, "bastion")
        error = refusal(changed(sshd.endpoint(name), jump="bastion", host_keys=(bastion.host_key,)), {"bastion": hop})
        assert isinstance(error, SafetyStop)
        assert "`legacy`" in error.message
        assert_no_login_was_tried(sshd)

    @pytest.mark.usefixtures("impatient")
    def test_a_closed_port_behind_the_jump(self, name: Name, sshd: Sshd, bastion: Sshd) -> None:
        hop = bastion.endpoint(name, "bastion")
        error = refusal(changed(sshd.endpoint(name), jump="bastion", port=dead_port()), {"bastion": hop})
        assert isinstance(error, EndpointUnavailable)
        assert "`legacy`: the connection was refused" in error.message

    def test_a_jump_that_refuses_the_login_is_named(
        self, name: Name, sshd: Sshd, bastion: Sshd, tmp_path: Path
    ) -> None:
        hop = changed(bastion.endpoint(name, "bastion"), identity_file=make_key(tmp_path / "other").private)
        error = refusal(changed(sshd.endpoint(name), jump="bastion"), {"bastion": hop})
        assert isinstance(error, EndpointUnavailable)
        assert "`bastion`: the login was refused" in error.message

    def test_a_circle_is_refused(self, name: Name, sshd: Sshd) -> None:
        spec = changed(sshd.endpoint(name), jump="legacy")
        with pytest.raises(MigratorError, match="lead back"):
            connector_for(spec, {"legacy": spec})


class TestAliases:
    """An alias of the user's ssh_config; `ssh` is the real one, shown another configuration file."""

    @pytest.fixture
    def configured(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sshd: Sshd) -> Path:
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {sshd.host_key}\n")
        config = tmp_path / "config"
        config.write_text(
            f"Host provider\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.setup.account.name}\n"
            f" IdentityFile {sshd.setup.client_key.private}\n IdentitiesOnly yes\n UserKnownHostsFile {known_hosts}\n"
            " RemoteCommand touch pwned\n RequestTTY yes\n ForwardAgent yes\n LocalForward 127.0.0.1:1 127.0.0.1:1\n"
        )
        wrapper = tmp_path / "ssh"
        wrapper.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {shlex.quote(str(config))} "$@"\n')
        wrapper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return config

    def spec(self, sshd: Sshd, name: Name, alias: str = "provider") -> EndpointSpec:
        return changed(
            sshd.endpoint(name), alias=alias, host=None, port=22, user=None, identity_file=None, host_keys=()
        )

    @pytest.mark.usefixtures("configured")
    def test_serves_sessions_and_commands(self, name: Name, sshd: Sshd) -> None:
        connector = connector_for(self.spec(sshd, name), {})
        open_session(connector.open_sftp, shaken)
        assert connector.run(["echo", "hello"], 10).stdout == b"hello\n"
        connector.close()

    def test_is_as_strict(self, name: Name, sshd: Sshd, configured: Path) -> None:
        (configured.parent / "known_hosts").write_text("")
        assert isinstance(refusal(self.spec(sshd, name)), SafetyStop)
        assert_no_login_was_tried(sshd)

    def test_its_own_jump_is_taken_and_checked(
        self, name: Name, sshd: Sshd, configured: Path, account: Account, client_key: ClientKey
    ) -> None:
        with running_sshd(Setup(account, client_key)) as bastion:
            with configured.open("a") as config:
                config.write(
                    f"Host behind\n ProxyJump {account.name}@127.0.0.1:{bastion.port}\n"
                    f" HostName 127.0.0.1\n Port {sshd.port}\n"
                    f"Host *\n User {account.name}\n IdentityFile {client_key.private}\n IdentitiesOnly yes\n"
                    f" UserKnownHostsFile {configured.parent / 'known_hosts'}\n StrictHostKeyChecking yes\n"
                )
            spec = self.spec(sshd, name, "behind")
            error = refusal(spec)
            assert isinstance(error, SafetyStop)
            assert_no_login_was_tried(bastion)
            with (configured.parent / "known_hosts").open("a") as known_hosts:
                known_hosts.write(f"[127.0.0.1]:{bastion.port} {bastion.host_key}\n")
            connector = connector_for(spec, {})
            open_session(connector.open_sftp, shaken)
            connector.close()
            assert "direct-tcpip" in bastion.log()


class TestChoice:
    def test_auto_takes_ssh_where_there_is_one(self, sshd: Sshd) -> None:
        connector = connector_for(sshd.endpoint("auto"), {})
        open_session(connector.open_sftp, shaken)
        assert children(sshd)
        connector.close()

    def test_a_missing_ssh_is_said(self, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        connector = connector_for(sshd.endpoint("openssh"), {})
        descriptors = open_descriptors()
        with pytest.raises(LocalFault, match="`ssh` was not found"):
            open_session(connector.open_sftp, shaken)
        connector.close()
        assert open_descriptors() <= descriptors

    def test_auto_does_without_ssh(self, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        connector = connector_for(sshd.endpoint("auto"), {})
        open_session(connector.open_sftp, shaken)
        assert not children(sshd)
        connector.close()

    def test_without_ssh_keygen_known_hosts_is_still_read(
        self, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text(f"@cert-authority * {sshd.host_key}\n[127.0.0.1]:{sshd.port} {sshd.host_key}\n")
        spec = changed(sshd.endpoint("paramiko"), host_keys=(), known_hosts=known_hosts)
        monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
        connector = connector_for(spec, {})
        open_session(connector.open_sftp, shaken)
        connector.close()
        known_hosts.write_text(f"@revoked * {sshd.host_key}\n[127.0.0.1]:{sshd.port} {sshd.host_key}\n")
        assert "revoked" in refusal(spec).message
        known_hosts.write_text(f"@cert-authority * {sshd.host_key}\n")
        assert "not known" in refusal(spec).message
