"""The programs that are compared, each with the best settings we know for the work."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.support.sshd import HOST, Sshd

Command = list[str]
Side = Literal["source", "target"]
CIPHER = "aes128-gcm@openssh.com"


@dataclass(frozen=True)
class Crossing:
    """One way from a source to a target, and which of the two lies behind SSH."""

    remote: Side
    server: Sshd
    port: int  # the server's, or that of the line before it
    source: Path
    target: Path
    scratch: Path  # a folder of this contestant's own: state, plan, known hosts
    cipher: str | None = CIPHER

    @property
    def user(self) -> str:
        """The account at the server."""
        return self.server.setup.account.name

    @property
    def key(self) -> Path:
        """The client's key."""
        return self.server.setup.client_key.private

    @property
    def known_hosts(self) -> Path:
        """A file that knows the server's key."""
        path = self.scratch / "known_hosts"
        path.write_text(f"[{HOST}]:{self.port} {self.server.host_key}\n")
        return path

    def ssh(self, *, port_option: str = "-p") -> Command:
        """The client as every peer calls it."""
        options = [f"UserKnownHostsFile={self.known_hosts}", "StrictHostKeyChecking=yes", "BatchMode=yes"]
        ciphers = ["-c", self.cipher] if self.cipher else []
        named = [word for option in options for word in ("-o", option)]
        return ["ssh", "-F", "none", "-i", str(self.key), port_option, str(self.port), *ciphers, *named]

    def ends(self, far: Callable[[str], str], *, contents: bool = True) -> tuple[str, str]:
        """Source and target as a program wants them; `contents` says that the source ends with a slash."""
        ends = {"source": f"{self.source}/" if contents else str(self.source), "target": str(self.target)}
        ends[self.remote] = far(ends[self.remote])
        return ends["source"], ends["target"]

    def far(self, path: str) -> str:
        """A path at the server, as rsync and scp write it."""
        return f"{self.user}@{HOST}:{path}"


@dataclass(frozen=True)
class Peer:
    """A program and how it is called."""

    name: str
    command: Callable[[Crossing], Command]
    needs: str  # the program that must be installed
    note: str  # its settings, and what it does not do


def plan_of(crossing: Crossing, lane: str) -> Path:
    """The plan for this crossing."""
    ssh = {
        "host": HOST,
        "port": crossing.port,
        "user": crossing.user,
        "identity_file": str(crossing.key),
        "host_keys": [crossing.server.host_key],
    }
    far, near = {"ssh": ssh, "connector": "openssh", "lane": lane}, {"local": True}
    dataset = {"name": "files", "source": f"legacy:{crossing.source}", "target": f"new:{crossing.target}"}
    plan = {
        "migration": "bench",
        "endpoints": {
            "legacy": far if crossing.remote == "source" else near,
            "new": far if crossing.remote == "target" else near,
        },
        "waves": [{"name": "one", "applications": [{"name": "files", "datasets": [dataset]}]}],
    }
    path = crossing.scratch / "plan.yaml"
    path.write_text(json.dumps(plan))  # JSON is YAML
    return path


def migrator(command: str, *options: str, lane: str = "agent") -> Callable[[Crossing], Command]:
    """A command of ours, with everything on: scan, SHA-256, journal, durable commits, atomic renames."""

    def called(crossing: Crossing) -> Command:
        state = str(crossing.scratch / "state")
        return [sys.executable, "-m", "migrator", command, str(plan_of(crossing, lane)), *options, "--state", state]

    return called


def rsync(*options: str) -> Callable[[Crossing], Command]:
    """`rsync -a`, which needs a shell and rsync at the far side."""

    def called(crossing: Crossing) -> Command:
        source, target = crossing.ends(crossing.far)
        return ["rsync", "-a", *options, "-e", shlex.join(crossing.ssh()), source, target]

    return called


def rclone(crossing: Crossing) -> Command:
    """Eight at once, large files in several streams, no check of digests by a shell command."""
    source, target = crossing.ends(lambda path: f":sftp:{path}")
    options = [
        *("--config", "", "--transfers", "8", "--checkers", "8", "--ignore-checksum", "--multi-thread-streams", "4"),
        *("--sftp-host", HOST, "--sftp-port", str(crossing.port), "--sftp-user", crossing.user),
        *("--sftp-key-file", str(crossing.key), "--sftp-known-hosts-file", str(crossing.known_hosts)),
        *("--sftp-disable-hashcheck", "--sftp-concurrency", "128", "--sftp-chunk-size", "255k"),
    ]
    return ["rclone", "copy", *options, source, target]


def scp(crossing: Crossing) -> Command:
    """`scp -rp`, over the SFTP protocol as it does by default."""
    crossing.target.parent.mkdir(exist_ok=True)
    source, target = crossing.ends(crossing.far, contents=False)
    return ["scp", "-rpq", *crossing.ssh(port_option="-P")[1:], source, target]


def lftp(crossing: Crossing) -> Command:
    """`mirror` with eight at once and large files in four segments, as lftp counts."""
    ssh = shlex.join(crossing.ssh()) + " -a -x"
    there = f"open -u {crossing.user},none sftp://{HOST}:{crossing.port}"
    settings = f"set sftp:connect-program {shlex.quote(ssh)}; set net:max-retries 2; set sftp:max-packets-in-flight 64"
    way = "--reverse" if crossing.remote == "target" else "--use-pget-n=4"
    mirror = f"mirror --parallel=8 {way} {crossing.source} {crossing.target}"
    return ["lftp", "--norc", "-c", f"{settings}; {there}; {mirror}"]


def tar(crossing: Crossing) -> Command:
    """Tar into ssh into tar: nearly the limit of one stream; nothing is checked, renamed or recorded."""
    ssh = shlex.join([*crossing.ssh(), f"{crossing.user}@{HOST}"])
    pack, unpack = f"tar -C {crossing.source} -cf - .", f"mkdir -p {crossing.target} && tar -C {crossing.target} -xf -"
    if crossing.remote == "source":
        return ["sh", "-c", f"set -e; {ssh} {shlex.quote(pack)} | ({unpack})"]
    return ["sh", "-c", f"set -e; {pack} | {ssh} {shlex.quote(unpack)}"]


OURS = Peer(
    "migrator", migrator("run", "--until", "seeded"), "ssh", "lane `agent`, connector `openssh`, the plan's defaults"
)
OURS_BY_SFTP = Peer(
    "migrator, lane sftp", migrator("run", "--until", "seeded", lane="sftp"), "ssh", "lane `sftp` alone"
)
VERIFY = Peer("migrator verify", migrator("verify"), "ssh", "the target's bytes against recorded digests")
RSYNC = Peer("rsync -a", rsync(), "rsync", "rsync at both ends; nothing durable, no digest recorded")
RSYNC_DURABLE = Peer("rsync -a --fsync", rsync("--fsync"), "rsync", "the same, each file made durable")
RSYNC_INPLACE = Peer("rsync -a --inplace", rsync("--inplace"), "rsync", "not atomic: the file is broken meanwhile")
RSYNC_SPARSE = Peer(
    "rsync -a -S", rsync("-S"), "rsync", "makes holes of zeros, which it reads and sends like any bytes"
)
RSYNC_VERIFY = Peer("rsync -a -c -n", rsync("-c", "-n"), "rsync", "reads and hashes both sides, changes nothing")
RCLONE = Peer("rclone copy", rclone, "rclone", "sftp backend, 8 at once, 4 streams for a large file, no hashing")
SCP = Peer("scp -rp", scp, "scp", "one file after the other; nothing durable")
LFTP = Peer("lftp mirror", lftp, "lftp", "8 at once, 4 segments for a large file; nothing durable")
TAR = Peer("tar over ssh", tar, "tar", "the near-limit: one stream, nothing checked or renamed")


def is_available(peer: Peer) -> bool:
    """Whether this machine has the program, and the program the option."""
    if shutil.which(peer.needs) is None:
        return False
    return peer is not RSYNC_DURABLE or "--fsync" in _answer("rsync", "--help")


def versions() -> list[str]:
    """One line for each program."""
    asked = (("ssh", "-V"), ("rsync", "--version"), ("rclone", "version"), ("lftp", "--version"), ("tar", "--version"))
    there = [command for command in asked if shutil.which(command[0])]
    ours = f"migrator {_answer('git', 'describe', '--always', '--dirty').strip() or 'without git'}"
    return [ours, f"Python {sys.version.split()[0]}", *(_answer(*command).strip().splitlines()[0] for command in there)]


def _answer(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
