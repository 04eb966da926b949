"""The demo's provider, as clients we did not write see it: paramiko's SFTPClient and OpenSSH's `sftp`."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import paramiko
import pytest

from migrator.demo.provider import USER, Provider, make_key
from migrator.domain.entries import Entry
from migrator.domain.plan import Connector, EndpointSpec, Ssh
from migrator.endpoints.opening import open_endpoint


class Place:
    """A provider's folder, something outside it that must stay unreachable, and the keys."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "provider"
        self.root.mkdir()
        self.secret = base / "secret"
        self.secret.mkdir()
        (self.secret / "file").write_bytes(b"nobody may read this")
        self.host_key_file = base / "host_key"
        make_key(self.host_key_file)
        self.client_key_file = base / "client_key"
        self.client_key = make_key(self.client_key_file)

    def provider(self, *, is_writable: bool = False) -> Provider:
        return Provider(self.root, self.host_key_file, self.client_key, is_writable=is_writable)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@contextmanager
def connected(
    place: Place, provider: Provider, key_file: Path | None = None, user: str = USER
) -> Iterator[paramiko.Transport]:
    transport = paramiko.Transport(("127.0.0.1", provider.port))
    try:
        transport.start_client(timeout=20)
        found = transport.get_remote_server_key()
        assert f"{found.get_name()} {found.get_base64()}" == provider.host_key
        key = paramiko.Ed25519Key.from_private_key_file(str(key_file or place.client_key_file))
        transport.auth_publickey(user, key)
        yield transport
    finally:
        transport.close()
        transport.join()


@contextmanager
def sftp(place: Place, *, is_writable: bool = False) -> Iterator[paramiko.SFTPClient]:
    with place.provider(is_writable=is_writable) as provider, connected(place, provider) as transport:
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        yield client


def batch(place: Place, provider: Provider, *commands: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Let OpenSSH's `sftp` carry out `commands`, the host key pinned."""
    known_hosts = place.base / "known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{provider.port} {provider.host_key}\n")
    options = [
        f"UserKnownHostsFile={known_hosts}",
        "GlobalKnownHostsFile=none",
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
        f"IdentityFile={place.client_key_file}",
        "BatchMode=yes",
    ]
    argv = ["sftp", "-F", "none", "-b", "-", "-P", str(provider.port)]
    argv += [word for option in options for word in ("-o", option)]
    argv += [f"{USER}@127.0.0.1"]
    return subprocess.run(
        argv, input="\n".join(commands) + "\n", capture_output=True, text=True, cwd=cwd, timeout=60, check=False
    )


def test_openssh_lists_fetches_sends_and_renames(place: Place) -> None:
    content = os.urandom(300_000)
    (place.root / "a folder").mkdir()
    (place.root / "a folder" / "large").write_bytes(content)
    (place.root / "Été.txt").write_text("accent")
    here = place.base / "here"
    here.mkdir()
    (here / "sent").write_bytes(content[::-1])
    with place.provider(is_writable=True) as provider:
        done = batch(
            place,
            provider,
            "ls -l",
            'get "a folder/large" fetched',
            "put sent sent.part",
            "chmod 640 sent.part",
            "rename sent.part arrived",
            "ln -s arrived link",
            "mkdir made",
            "rmdir made",
            cwd=here,
        )
    assert done.returncode == 0, done.stderr
    assert "a folder" in done.stdout
    assert "drwx" in done.stdout
    assert (here / "fetched").read_bytes() == content
    assert (place.root / "arrived").read_bytes() == content[::-1]
    assert stat.S_IMODE((place.root / "arrived").stat().st_mode) == 0o640
    assert os.readlink(place.root / "link") == "arrived"
    assert sorted(os.listdir(place.root)) == ["a folder", "arrived", "link", "Été.txt"]


def test_what_is_stated_is_what_is_there(place: Place) -> None:
    file = place.root / "file"
    file.write_bytes(b"1234")
    file.chmod(0o4750)
    os.utime(file, (1_000_000_000, 1_234_567_890))
    (place.root / "link").symlink_to("file")
    (place.root / "nowhere").symlink_to("missing")
    os.mkfifo(place.root / "fifo")
    with sftp(place) as client:
        found = {entry.filename: entry for entry in client.listdir_attr("/")}
        assert sorted(found) == ["fifo", "file", "link", "nowhere"]
        expected = os.lstat(file)
        for entry in (found["file"], client.stat("file"), client.lstat("/file"), client.stat("link")):
            assert (entry.st_size, entry.st_mode, entry.st_mtime) == (4, expected.st_mode, 1_234_567_890)
            assert (entry.st_uid, entry.st_gid) == (expected.st_uid, expected.st_gid)
        for name, is_kind in (("link", stat.S_ISLNK), ("nowhere", stat.S_ISLNK), ("fifo", stat.S_ISFIFO)):
            assert is_kind(found[name].st_mode or 0)
            assert is_kind(client.lstat(name).st_mode or 0)
        assert client.readlink("nowhere") == "missing"
        assert client.normalize(".") == "/"
        assert client.normalize("./../link") == "/file"
        with pytest.raises(FileNotFoundError):
            client.stat("nowhere")


def test_a_folder_of_many_names_is_listed_whole(place: Place) -> None:
    names = {f"{number:04}" for number in range(1_234)}
    for name in names:
        (place.root / name).touch()
    with sftp(place) as client:
        listed = client.listdir("/")
    assert len(listed) == len(names)
    assert set(listed) == names


def test_names_are_bytes(place: Place) -> None:
    raw = b"caf\xe9\n"
    with open(os.fsencode(place.root) + b"/" + raw, "wb") as file:
        file.write(b"latin-1")
    with sftp(place) as client, client.open(raw) as found:
        assert found.read() == b"latin-1"


def test_a_writable_provider_does_as_it_is_told(place: Place) -> None:
    with sftp(place, is_writable=True) as client:
        client.mkdir("folder", 0o750)
        with client.open("folder/file", "wx") as file:
            file.write(b"0123456789")
            file.chmod(0o600)
            file.utime((5, 1_111_111_111))
            file.truncate(5)
        with client.open("folder/file", "a") as file:
            file.write(b"+")
        with pytest.raises(OSError, match="File exists"):
            client.open("folder/file", "wx")
        (place.root / "taken").touch()
        with pytest.raises(OSError, match="File exists"):
            client.rename("folder/file", "taken")
        client.posix_rename("folder/file", "taken")
        client.symlink("../text that leads nowhere", "folder/link")
        client.chmod("taken", 0o4755)
        client.utime("taken", (7, 1_222_222_222))
        client.remove("folder/link")
        client.rmdir("folder")
    taken = place.root / "taken"
    assert os.listdir(place.root) == ["taken"]
    assert taken.read_bytes() == b"01234+"
    assert stat.S_IMODE(taken.stat().st_mode) == 0o4755
    assert taken.stat().st_mtime == 1_222_222_222


def test_a_read_only_provider_refuses_every_write(place: Place) -> None:
    (place.root / "file").write_bytes(b"as it was")
    (place.root / "folder").mkdir()
    before = os.stat(place.root / "file")
    with sftp(place) as client:
        for mode in ("w", "a", "r+", "wx"):
            with pytest.raises(PermissionError):
                client.open("file", mode)
        attempts: tuple[Callable[[], object], ...] = (
            lambda: client.mkdir("new"),
            lambda: client.rmdir("folder"),
            lambda: client.remove("file"),
            lambda: client.rename("file", "other"),
            lambda: client.posix_rename("file", "other"),
            lambda: client.symlink("file", "link"),
            lambda: client.chmod("file", 0o777),
            lambda: client.utime("file", (1, 1)),
            lambda: client.truncate("file", 0),
            lambda: client.open("file").chmod(0o777),
        )
        for attempt in attempts:
            with pytest.raises(PermissionError):
                attempt()
        with client.open("file") as file:
            assert file.read() == b"as it was"
    after = os.stat(place.root / "file")
    assert (after.st_mode, after.st_mtime_ns, after.st_size) == (before.st_mode, before.st_mtime_ns, before.st_size)
    assert sorted(os.listdir(place.root)) == ["file", "folder"]


def test_no_path_and_no_link_leads_out_of_the_root(place: Place) -> None:
    (place.root / "secret").mkdir()
    (place.root / "secret" / "file").write_bytes(b"the provider's own")
    (place.root / "absolute").symlink_to(place.secret)
    (place.root / "relative").symlink_to("../secret")
    (place.root / "deep").mkdir()
    (place.root / "deep" / "up").symlink_to("../../../../../../secret/file")
    (place.root / "rooted").symlink_to("/secret/file")
    (place.root / "loop").symlink_to("loop")
    inside = b"the provider's own"
    with sftp(place, is_writable=True) as client:
        for path in (
            "../secret/file",
            "/../../secret/file",
            "relative/file",
            "deep/up",
            "rooted",
            "deep/../relative/file",
        ):
            with client.open(path) as file:
                assert file.read() == inside, path
        for path in (f"{place.secret}/file", "absolute/file", "loop"):
            with pytest.raises(FileNotFoundError):
                client.open(path)
            with pytest.raises(FileNotFoundError):
                client.stat(path)
        assert client.normalize("deep/up") == "/secret/file"
        assert client.normalize("../../..") == "/"
        client.rename("../secret/file", "relative/moved")
        with pytest.raises(FileNotFoundError):
            client.mkdir("absolute/new")
    assert (place.root / "secret" / "moved").read_bytes() == inside
    assert os.listdir(place.secret) == ["file"]
    assert (place.secret / "file").read_bytes() == b"nobody may read this"


def test_a_folder_swapped_for_a_link_out_is_not_followed(place: Place) -> None:
    folder = place.root / "folder"
    folder.mkdir()
    (folder / "file").write_bytes(b"inside")
    with sftp(place) as client:
        assert client.stat("folder/file").st_size == len(b"inside")
        (folder / "file").unlink()
        folder.rmdir()
        folder.symlink_to(place.secret)
        with pytest.raises(FileNotFoundError):
            client.stat("folder/file")


def test_only_our_key_and_our_user_get_in(place: Place) -> None:
    stranger = place.base / "stranger"
    make_key(stranger)
    with place.provider() as provider:
        with pytest.raises(paramiko.AuthenticationException), connected(place, provider, stranger):
            pass
        with pytest.raises(paramiko.AuthenticationException), connected(place, provider, user="root"):
            pass
        transport = paramiko.Transport(("127.0.0.1", provider.port))
        transport.start_client(timeout=20)
        with pytest.raises(paramiko.BadAuthenticationType) as refused:
            transport.auth_password(USER, "")
        assert refused.value.allowed_types == ["publickey"]
        transport.close()
        transport.join()


def test_sftp_is_all_there_is(place: Place) -> None:
    with place.provider() as provider, connected(place, provider) as transport:
        with pytest.raises(paramiko.SSHException):
            transport.open_session().exec_command("id")
        with pytest.raises(paramiko.SSHException):
            transport.open_session().invoke_shell()
        with pytest.raises(paramiko.SSHException):
            transport.open_session().invoke_subsystem("netconf")
        with pytest.raises(paramiko.ChannelException):
            transport.open_channel("direct-tcpip", ("127.0.0.1", provider.port), ("127.0.0.1", 1))
        with pytest.raises(paramiko.SSHException):
            transport.request_port_forward("127.0.0.1", 0)


def test_several_clients_at_once_are_served(place: Place) -> None:
    (place.root / "file").write_bytes(os.urandom(1_000_000))
    content = (place.root / "file").read_bytes()
    fetched: list[bytes] = []

    with place.provider() as provider:

        def fetch() -> None:
            with connected(place, provider) as transport:
                client = paramiko.SFTPClient.from_transport(transport)
                assert client is not None
                with client.open("file") as file:
                    fetched.append(file.read())

        clients = [threading.Thread(target=fetch) for _ in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    assert fetched == [content] * 4


def test_it_stops_under_clients_and_leaves_neither_thread_nor_socket_nor_file(place: Place) -> None:
    (place.root / "file").touch()
    threads, descriptors = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))
    with place.provider() as provider:
        port = provider.port
        raw = socket.create_connection(("127.0.0.1", port))  # says nothing at all
        transport = paramiko.Transport(("127.0.0.1", port))
        transport.start_client(timeout=20)
        transport.auth_publickey(USER, paramiko.Ed25519Key.from_private_key_file(str(place.client_key_file)))
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        held = client.open("file")
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("demo provider")]
    with pytest.raises((EOFError, OSError, paramiko.SSHException)):
        held.stat()
    transport.close()
    transport.join()
    raw.close()
    assert set(threading.enumerate()) <= threads
    assert len(os.listdir("/proc/self/fd")) == descriptors
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize("packet", [b"\0\0\0\1\1", b"\xff\xff\xff\xff", b"\0\0\0\5\x0c\0\0\0\1"])
def test_nonsense_ends_the_session(place: Place, packet: bytes) -> None:
    with place.provider() as provider, connected(place, provider) as transport:
        channel = transport.open_session()
        channel.invoke_subsystem("sftp")
        channel.sendall(packet)
        channel.settimeout(20)
        assert channel.recv(1) == b""


@pytest.mark.parametrize("connector", ["openssh", "paramiko"])
def test_our_own_lane_reads_and_writes_there(place: Place, connector: Connector) -> None:
    key = bytes(range(32))
    contents = {b"large": os.urandom(700_000), b"empty": b"", b"caf\xe9": b"latin-1"}
    for name, content in contents.items():
        Path(os.fsdecode(os.fsencode(place.root) + b"/" + name)).write_bytes(content)
    (place.root / "folder").mkdir()
    (place.root / "folder" / "link").symlink_to("../large")
    with place.provider(is_writable=True) as provider:
        ssh = Ssh(
            host="127.0.0.1",
            port=provider.port,
            user=USER,
            identity_file=place.client_key_file,
            host_keys=(provider.host_key,),
        )
        spec = EndpointSpec("provider", ssh, connector=connector, lane="sftp")
        with closing(open_endpoint(spec, {"provider": spec})) as endpoint:
            with closing(endpoint.source(b"/")) as source:
                seen = {each.path: each for block in source.scan() for each in block if isinstance(each, Entry)}
                assert seen.keys() == {b"", *contents, b"folder", b"folder/link"}
                assert seen[b"folder/link"].link == b"../large"
                read = dict.fromkeys(contents, b"")
                for piece in source.read([seen[name] for name in contents]):
                    assert piece.problem is None, piece.reason
                    read[piece.entry.path] += piece.data
                assert read == contents
            with closing(endpoint.target(b"/arrived", key)) as target:
                target.make_root()
                with closing(target.writer(frozenset({"mode", "times"}))) as writer:
                    writer.begin(seen[b"large"])
                    writer.write(contents[b"large"])
                    writer.finish(seen[b"large"])
                    writer.link(seen[b"folder/link"])
                    assert [landed.problem for landed in writer.commit()] == [None, None]
    arrived = place.root / "arrived"
    assert (arrived / "large").read_bytes() == contents[b"large"]
    assert int((arrived / "large").stat().st_mtime) == int((place.root / "large").stat().st_mtime)
    assert os.readlink(arrived / "folder" / "link") == "../large"
