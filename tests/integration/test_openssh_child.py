"""An ssh of ours ends when we do, however we end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.sshd import Sshd, descendants, wait_for

OPENS_A_SESSION = """
import os, sys, time
from pathlib import Path
from migrator.domain.plan import EndpointSpec, Ssh
from migrator.endpoints.ssh.openssh import OpensshConnector

port, user, key, host_key = sys.argv[1:]
ssh = Ssh(host="127.0.0.1", port=int(port), user=user, identity_file=Path(key), host_keys=(host_key,))
channel = OpensshConnector(EndpointSpec("legacy", ssh=ssh)).open_sftp()
os.write(channel.write_fd, b"\\0\\0\\0\\5\\1\\0\\0\\0\\3")
os.read(channel.read_fd, 1)
print("open", flush=True)
time.sleep(60)
"""


def test_a_killed_process_takes_its_ssh_with_it(sshd: Sshd, tmp_path: Path) -> None:
    key = str(sshd.setup.client_key.private)
    command = [sys.executable, "-c", OPENS_A_SESSION, str(sshd.port), sshd.setup.account.name, key, sshd.host_key]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        children = descendants(process.pid)
        assert [Path(f"/proc/{pid}/comm").read_text() for pid in children] == ["ssh\n"]
        process.send_signal(signal.SIGKILL)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "ssh has ended")
    wait_for(lambda: not sshd.sessions(), "the server has no session left")
    assert list(tmp_path.iterdir()) == []
