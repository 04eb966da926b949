"""Real name servers for a test, BIND 9 and Knot: on loopback ports of their own, stopped by their pid."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsigkeyring
import dns.update

from migrator.domain.plan import NameServer
from tests.support.sshd import HOST, free_port, wait_for

ZONE = "paris.example"
BROKEN_ZONE = "broken.example"  # configured, and its file is missing
Product = Literal["bind", "knot"]
PRODUCTS: tuple[Product, ...] = ("bind", "knot")

_PROGRAMS = {"bind": "/usr/sbin/named", "knot": "/usr/sbin/knotd"}
_RECORDS = """\
$ORIGIN paris.example.
@ 3600 SOA ns hostmaster 1 3600 600 86400 300
@ 3600 NS ns
ns 3600 A 127.0.0.1
eau 300 A 192.0.2.1
deux 7200 A 192.0.2.1
deux 7200 A 192.0.2.2
six 300 AAAA 2001:db8::1
alias 300 CNAME eau
*.wild 7200 A 192.0.2.1
*.astray 300 CNAME eau
child 300 NS ns.lyon.example.
words 300 TXT "one; \\"two\\"" "three"
"""


@dataclass(frozen=True)
class Key:
    """A TSIG key in the file that `tsig-keygen` wrote."""

    name: str
    algorithm: str
    file: Path
    secret: str = field(repr=False)


def make_tsig_key(folder: Path, name: str = "migrator", algorithm: str = "hmac-sha256") -> Key:
    """A new key in a file of its own below `folder`."""
    command = ["/usr/sbin/tsig-keygen", "-a", algorithm, name]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    file = folder / f"{name}-{secrets.token_hex(4)}.key"
    file.touch(mode=0o600)
    file.write_text(text)
    return Key(name, algorithm, file, text.split('secret "')[1].split('"')[0])


@dataclass
class Server:
    """A running name server."""

    product: Product
    port: int
    folder: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def address(self) -> NameServer:
        """Where it listens, as a plan has it."""
        return NameServer(HOST, self.port)

    def log(self) -> str:
        """What it has logged so far."""
        return (self.folder / "log").read_text(errors="replace")

    def ask(self, name: str, kind: str = "A") -> tuple[int | None, set[str]]:
        """The time to live and the values that stand there, read without any code of the project."""
        query = dns.message.make_query(ZONE if name == "@" else f"{name}.{ZONE}", kind, flags=0)
        answer = dns.query.tcp(query, HOST, timeout=5, port=self.port)
        found = [records for records in answer.answer if records.rdtype == dns.rdatatype.from_text(kind)]
        return (found[0].ttl, {each.to_text() for each in found[0]}) if found else (None, set())

    def serial(self) -> int:
        """The serial number of the zone, which every change raises."""
        (soa,) = self.ask("@", "SOA")[1]
        return int(soa.split()[2])

    def change(self, key: Key, name: str, kind: str, ttl: int, *values: str) -> None:
        """What somebody else with the key does: a change without any condition."""
        ring = dns.tsigkeyring.from_text({key.name: key.secret})
        update = dns.update.UpdateMessage(ZONE, keyring=ring, keyalgorithm=key.algorithm)
        update.replace(name, ttl, kind, *values)
        answer = dns.query.tcp(update, HOST, timeout=5, port=self.port)
        assert answer.rcode() == dns.rcode.NOERROR, answer

    def notify(self) -> None:
        """Tell it, as its primary would, that the zone has changed."""
        message = dns.message.make_query(ZONE, "SOA", flags=dns.flags.AA)
        message.set_opcode(dns.opcode.NOTIFY)
        dns.query.udp(message, HOST, timeout=5, port=self.port)

    def has_started_or_failed(self) -> bool:
        """Whether it serves the zone, or has given up."""
        if self.process.poll() is not None or "in use" in self.log():
            return True
        try:
            return bool(self.ask("@", "SOA")[1])
        except (OSError, EOFError, dns.exception.DNSException):
            return False

    def pause(self) -> None:
        """Let it answer nothing until `go_on`."""
        self.process.send_signal(signal.SIGSTOP)
        # The signal has been sent when this returns, not obeyed: each thread stops by itself.
        threads = list(Path(f"/proc/{self.process.pid}/task").glob("*/stat"))
        wait_for(lambda: all(each.read_text().rpartition(")")[2].split()[0] == "T" for each in threads), "it stands")

    def go_on(self) -> None:
        """Let it answer again."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it; may be called twice."""
        self.go_on()
        self.process.terminate()
        self.process.wait(60)


@contextlib.contextmanager
def running_primary(product: Product, key: Key) -> Iterator[Server]:
    """A server that holds the zone and lets `key` change it; it tells nobody of changes."""
    with _folder() as folder:
        (folder / "zone").write_text(_RECORDS)
        with _serving(product, folder, key, primary=None) as server:
            yield server


@contextlib.contextmanager
def running_secondary(product: Product, key: Key, primary: Server) -> Iterator[Server]:
    """A server that has copied the zone from `primary`, and copies it again only when it is notified."""
    with _folder() as folder, _serving(product, folder, key, primary) as server:
        yield server


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    # Not pytest's tmp_path: its long names do not fit into the control socket's.
    folder = Path(tempfile.mkdtemp(prefix="migrator-dns-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def _serving(product: Product, folder: Path, key: Key, primary: Server | None) -> Iterator[Server]:
    configuration = _bind if product == "bind" else _knot
    for _ in range(5):
        port = free_port()
        file = folder / "config"
        file.touch(mode=0o600)
        file.write_text(configuration(folder, port, key, primary))
        options = ["-g", "-n", "1", "-c"] if product == "bind" else ["-c"]
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(
                [_PROGRAMS[product], *options, str(file)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        server = Server(product, port, folder, process)
        try:
            wait_for(server.has_started_or_failed, f"{product} serves the zone")
            if process.poll() is None and "in use" not in server.log():
                yield server
                return
        finally:
            server.stop()
        if "in use" not in server.log():
            raise RuntimeError(f"{product} did not start:\n{server.log()}")
    raise RuntimeError(f"no free port found for {product}")


def _bind(folder: Path, port: int, key: Key, primary: Server | None) -> str:
    if primary is None:
        role = f'type primary; file "zone"; allow-update {{ key {key.name}; }};'
    else:
        role = f'type secondary; primaries {{ {HOST} port {primary.port}; }}; file "copy"; masterfile-format text;'
    return f"""\
include "{key.file}";
controls {{ }};
options {{
    directory "{folder}";
    listen-on port {port} {{ {HOST}; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    managed-keys-directory "{folder}";
    recursion no;
    dnssec-validation no;
    notify no;
}};
zone "{ZONE}" {{ {role} }};
zone "{BROKEN_ZONE}" {{ type primary; file "missing"; }};
"""


def _knot(folder: Path, port: int, key: Key, primary: Server | None) -> str:
    role = "acl: [update, copy]" if primary is None else "master: primary\n    acl: notify"
    return f"""\
server:
    rundir: {folder}
    listen: {HOST}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: {folder}
log:
  - target: stderr
    any: info
key:
  - id: {key.name}
    algorithm: {key.algorithm}
    secret: {key.secret}
acl:
  - id: update
    key: {key.name}
    action: update
  - id: copy
    address: {HOST}
    action: transfer
  - id: notify
    address: {HOST}
    action: notify
remote:
  - id: primary
    address: {HOST}@{primary.port if primary else port}
zone:
  - domain: {ZONE}
    storage: {folder}
    file: zone
    {role}
  - domain: {BROKEN_ZONE}
    storage: {folder}
    file: missing
"""
