"""A target behind a real SSH server of our own, whose agents run under the tracer."""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.plans import Mapped, remote
from tests.support.sshd import Account, Setup, Sshd, make_key, running_sshd, wait_for
from torture import tracer

_SCRIPT = """\
#!/bin/sh
read -r name at < {kill}
{python} -I {tracer} {reports}/$$ "$name" "$at" process sh -c "$SSH_ORIGINAL_COMMAND"
grep -qs '"killed": null' {reports}/$$ || echo none 0 > {kill}
"""


@dataclasses.dataclass(frozen=True)
class FarSide:
    """The server, and what its agents are to die of: each is traced by itself."""

    folder: Path
    server: Sshd

    @property
    def endpoint(self) -> Mapped:
        """As a plan has it."""
        return remote(self.server.endpoint("openssh"), "agent")

    def kill_at(self, name: str, at: int) -> None:
        """The next agent that comes to that call dies before it, and no other; 0: none does."""
        (self.folder / "kill").write_text(f"{name or 'none'} {at}\n")

    def is_quiet(self) -> bool:
        """Whether every session has ended."""
        return not self.server.sessions()

    def seen(self) -> tuple[dict[str, int], str | None]:
        """The most calls of each name that one agent made, and the call that any was killed before; told once."""
        wait_for(self.is_quiet, "the agents leave", 30)
        counts: dict[str, int] = {}
        killed: str | None = None
        for path in (self.folder / "reports").iterdir():
            report = json.loads(path.read_text())
            path.unlink()
            killed = killed or report["killed"]
            for name, count in report["counts"].items():
                counts[name] = max(count, counts.get(name, 0))
        return counts, killed


@contextlib.contextmanager
def far_side(folder: Path) -> Iterator[FarSide]:
    """A server that listens when this returns; those who log in are the user who runs this."""
    reports, script = folder / "reports", folder / "traced"
    reports.mkdir(parents=True)
    kept = {"kill": folder / "kill", "tracer": tracer.__file__, "reports": reports, "python": sys.executable}
    script.write_text(_SCRIPT.format(**{name: shlex.quote(str(path)) for name, path in kept.items()}))
    script.chmod(0o755)
    account = Account(getpass.getuser(), folder)
    with running_sshd(Setup(account, make_key(folder / "id"), lines=(f"ForceCommand {script}",))) as server:
        side = FarSide(folder, server)
        side.kill_at("", 0)
        yield side
