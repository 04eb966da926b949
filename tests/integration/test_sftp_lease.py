"""The lease on a target root: one run at a time, nothing left behind, and nobody has to clean up after a dead run."""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from migrator.endpoints.contract import TargetTree
from migrator.endpoints.sftp import lease as sftp_lease
from migrator.endpoints.sftp import wire
from migrator.endpoints.sftp.endpoint import SftpEndpoint
from migrator.endpoints.sftp.lease import Lease, lease_paths
from migrator.errors import EndpointUnavailable, Held, SafetyStop
from tests.support.accounts import NOBODY, open_folder
from tests.support.sftp_pipe import PipeConnector, pipe_spec, piped_endpoint
from tests.support.sftp_relay import Tampering, relayed_endpoint, relayed_session, status

KEY = b"k" * 32
OURS, THEIRS = "a" * 32, "b" * 32


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    root = os.fsencode(tmp_path / "root")
    os.mkdir(root)
    return root


@pytest.fixture
def quick_renewals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sftp_lease, "RENEWAL_SECONDS", 0.02)


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.005)


def abandon(endpoint: SftpEndpoint, root: bytes, holder: str) -> bytes:
    """A lease as a run leaves it that was killed; its path."""
    path, _ = lease_paths(root)
    with endpoint.target(root, KEY).hold(holder), open(path, "rb") as file:
        content = file.read()
    with open(path, "wb") as file:
        file.write(content)
    return path


def test_it_lies_beside_the_root_and_goes_in_the_end(root: bytes) -> None:
    with piped_endpoint() as endpoint:
        with endpoint.target(root, KEY).hold(OURS):
            assert sorted(os.listdir(os.path.dirname(root))) == [b".root.migrator-lease", b"root"]
            assert os.listdir(root) == []
        assert os.listdir(os.path.dirname(root)) == [b"root"]


def test_who_holds_it_is_told_and_since_when(root: bytes) -> None:
    with piped_endpoint() as endpoint:
        path = abandon(endpoint, root, THEIRS)
        os.utime(path, (time.time() - 42, time.time() - 42))
        with (
            pytest.raises(Held, match=rf"process {os.getpid()} on .* 4[234] s ago"),
            endpoint.target(root, KEY).hold(OURS),
        ):
            pass
    assert sorted(os.listdir(os.path.dirname(root))) == [b".root.migrator-lease", b"root"], "no probe is left"


def test_an_expired_lease_is_taken_over(root: bytes) -> None:
    with piped_endpoint() as endpoint:
        path = abandon(endpoint, root, THEIRS)
        os.utime(path, (time.time() - 61, time.time() - 61))
        with endpoint.target(root, KEY).hold(OURS), open(path, "rb") as file:
            assert OURS.encode() in file.read()
    assert os.listdir(os.path.dirname(root)) == [b"root"]


def test_a_lease_of_the_same_holder_is_taken_over_at_once(root: bytes) -> None:
    with piped_endpoint() as endpoint:
        abandon(endpoint, root, OURS)
        with endpoint.target(root, KEY).hold(OURS):
            pass
    assert os.listdir(os.path.dirname(root)) == [b"root"]


@pytest.mark.parametrize("content", [b"", b"\xff\x00 nonsense\x1b[31m", b"token \nholder \n"])
def test_a_lease_that_says_nothing_expires_like_any_other(root: bytes, content: bytes) -> None:
    path, _ = lease_paths(root)
    with open(path, "wb") as file:
        file.write(content)
    with piped_endpoint() as endpoint:
        with pytest.raises(Held, match="not said who"), endpoint.target(root, KEY).hold(OURS):
            pass
        os.utime(path, (time.time() - 61, time.time() - 61))
        with endpoint.target(root, KEY).hold(OURS):
            pass


def test_it_is_renewed_while_it_is_held(root: bytes, quick_renewals: None) -> None:
    path, _ = lease_paths(root)
    with piped_endpoint() as endpoint, endpoint.target(root, KEY).hold(OURS):
        before = os.stat(path)

        def is_renewed() -> bool:
            with open(path, "rb") as file:
                return b"renewals 000000000003" in file.read()

        until(is_renewed)
        assert os.stat(path).st_mtime_ns > before.st_mtime_ns
        assert os.stat(path).st_size == before.st_size


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_lease_that_is_lost_is_told_in_the_end(root: bytes, quick_renewals: None, is_replaced: bool) -> None:
    path, _ = lease_paths(root)

    def lose() -> None:
        threads = threading.active_count()
        if is_replaced:
            with open(path + b"-new", "wb") as file:
                file.write(b"holder x\ntoken of somebody else\n")
            os.rename(path + b"-new", path)
        else:
            os.unlink(path)
        until(lambda: threading.active_count() < threads)

    with (
        piped_endpoint() as endpoint,
        pytest.raises(SafetyStop, match="took over"),
        endpoint.target(root, KEY).hold(OURS),
    ):
        lose()
    assert os.path.exists(path) is is_replaced, "what belongs to somebody else stays"


def test_what_failed_first_is_told_rather_than_the_loss(root: bytes, quick_renewals: None) -> None:
    def fail_after_a_loss(endpoint: SftpEndpoint) -> None:
        with endpoint.target(root, KEY).hold(OURS):
            threads = threading.active_count()
            os.unlink(lease_paths(root)[0])
            until(lambda: threading.active_count() < threads)
            raise ZeroDivisionError

    with piped_endpoint() as endpoint, pytest.raises(ZeroDivisionError):
        fail_after_a_loss(endpoint)


def test_a_lost_connection_is_made_anew(root: bytes, quick_renewals: None) -> None:
    connector = PipeConnector()
    endpoint = SftpEndpoint(pipe_spec(), connector)
    with endpoint.target(root, KEY).hold(OURS):
        connector.channels[-1].interrupt()
        until(lambda: len(connector.channels) == 3)
    assert os.listdir(os.path.dirname(root)) == [b"root"]
    endpoint.close()


def test_no_thread_and_no_server_is_left(root: bytes) -> None:
    connector = PipeConnector()
    endpoint = SftpEndpoint(pipe_spec(), connector)
    before = threading.active_count()
    with endpoint.target(root, KEY).hold(OURS):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    assert connector.channels[-1].process.poll() is not None
    endpoint.close()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a parent that an account may not write to")
def test_below_a_parent_of_others_it_lies_hidden_in_the_root() -> None:
    with open_folder() as folder:
        os.chmod(folder, 0o755)
        root = folder + b"/root"
        os.mkdir(root)
        os.chown(root, NOBODY, NOBODY)
        os.utime(root, (1_530_534_645, 1_530_534_645))
        with piped_endpoint(user=NOBODY) as endpoint:
            target = endpoint.target(root, KEY)
            with target.hold(OURS):
                assert len(os.listdir(root)) == 1
                (name,) = os.listdir(root)
                assert [each.path for block in target.scan() for each in block] == [b""]
                assert target.stat(name) is None
                with pytest.raises(Held), endpoint.target(root, KEY).hold(THEIRS):
                    pass
            assert os.listdir(root) == []
            assert os.stat(root).st_mtime == 1_530_534_645, "a root's time is part of what is moved"


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what an account may not write to")
def test_where_nothing_may_be_written_there_is_no_lease() -> None:
    with open_folder() as folder:
        os.chmod(folder, 0o755)
        os.mkdir(folder + b"/root")
        with piped_endpoint(user=NOBODY) as endpoint:
            with pytest.raises(EndpointUnavailable, match="permission denied") as caught:
                endpoint.target(folder + b"/root", KEY).hold(OURS).__enter__()
            assert caught.value.hint


@pytest.mark.parametrize(
    ("root", "beside"),
    [
        (b"/srv/eau", b"/srv/.eau.migrator-lease"),
        (b"/srv/eau/", b"/srv/.eau.migrator-lease"),
        (b"/data", b"/.data.migrator-lease"),
    ],
)
def test_its_name_follows_from_the_root(root: bytes, beside: bytes) -> None:
    assert lease_paths(root)[0] == beside
    assert lease_paths(root)[1].startswith(root.rstrip(b"/") + b"/.migrator-lease-")


def test_its_name_fits_whatever_the_root_s_is() -> None:
    for path in (*lease_paths(b"/srv/" + b"n" * 255), *lease_paths(b"/")):
        assert len(path.rpartition(b"/")[2]) < 200
    assert len(set(lease_paths(b"/"))) == 1


@pytest.mark.parametrize("round_number", range(5))
def test_of_several_that_find_it_expired_one_at_most_gets_it(root: bytes, round_number: int) -> None:
    outcomes: list[str] = []
    everybody = threading.Barrier(4)

    def contend(holder: str, target: TargetTree) -> None:
        everybody.wait(10)
        try:
            with target.hold(holder):
                outcomes.append("held")
                everybody.wait(10)
        except Held:
            outcomes.append("refused")
            everybody.wait(10)

    with piped_endpoint() as endpoint:
        path = abandon(endpoint, root, "dead")
        os.utime(path, (time.time() - 100, time.time() - 100))
        threads = [threading.Thread(target=contend, args=(name * 32, endpoint.target(root, KEY))) for name in "wxyz"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert len(outcomes) == 4
    assert outcomes.count("held") <= 1
    assert set(os.listdir(os.path.dirname(root))) <= {b"root", b".root.migrator-lease"}


@pytest.mark.parametrize("age_seconds", [0, 61])
def test_a_takeover_that_was_cut_off_is_in_nobody_s_way_for_long(root: bytes, age_seconds: int) -> None:
    with piped_endpoint() as endpoint:
        path = abandon(endpoint, root, "dead")
        with open(path, "rb") as lease, open(path + b"-takeover", "wb") as file:
            file.write(lease.read())
        for name in (path, path + b"-takeover"):
            os.utime(name, (time.time() - age_seconds, time.time() - age_seconds))
        if age_seconds == 0:
            with pytest.raises(Held, match="changing hands"), endpoint.target(root, KEY).hold(OURS):
                pass
            with endpoint.target(root, KEY).hold("dead"):
                pass
        else:
            with endpoint.target(root, KEY).hold(OURS):
                pass
    assert os.listdir(os.path.dirname(root)) == [b"root"]


def test_a_renewal_never_writes_into_another_run_s_lease(root: bytes) -> None:
    path, _ = lease_paths(root)

    class Replacing(Tampering):
        """Another run takes over between the look of a renewal and its write."""

        def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
            if kind == wire.WRITE and b"renewals 000000000001" in body:
                os.unlink(path)
                with open(path, "wb") as file:
                    file.write(b"theirs")
            return kind, body

    with relayed_session(Replacing()) as session:
        lease = Lease(session, root, OURS)
        lease.take()
        lease.renew()
        with open(path, "rb") as file:
            assert file.read() == b"theirs"
        with pytest.raises(SafetyStop):
            lease.renew()
        lease.give_back()
    assert os.path.exists(path)


def test_a_full_disk_is_not_taken_for_another_run(root: bytes) -> None:
    class Full(Tampering):
        def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
            is_new = kind == wire.OPEN and body[-12:-8] != struct.pack(">I", wire.OPEN_READ)
            return status(request, wire.FAILURE) if is_new else (kind, body)

    with relayed_endpoint(Full()) as endpoint, pytest.raises(EndpointUnavailable, match="cannot make a lease"):
        endpoint.target(root, KEY).hold(OURS).__enter__()
