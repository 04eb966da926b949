"""One application to move, as a test prepares it: a planted source, a target, a freeze, a switch, and the command."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.cli import Cli
from tests.support.plans import Mapped, application, flag_freeze, flag_switch, link_switch, local, write_plan
from tests.support.sshd import Account

NAME = "portail"


@dataclass(frozen=True)
class Move:
    """A tree that is to move from `source` to `target`; both are paths as this process sees them."""

    folder: Path  # for the plan, the state and the flags of hooks
    source: Path
    target: Path
    source_end: Mapped = field(default_factory=local)
    target_end: Mapped = field(default_factory=local)
    # How the endpoints see the two roots, where that differs.
    source_path: str | None = None
    target_path: str | None = None
    more_ends: Mapping[str, Mapped] = field(default_factory=dict)  # beside `old` and `new`

    @property
    def frozen(self) -> Path:
        """Exists while the source is frozen."""
        return self.folder / "frozen"

    @property
    def link(self) -> Path:
        """Leads to the target once users were sent there."""
        return self.folder / "current"

    @property
    def switched(self) -> Path:
        """Exists once the second switch, a command, is in place."""
        return self.folder / "switched"

    @property
    def is_switched_over(self) -> bool:
        """Whether both switches are in place."""
        return self.link.is_symlink() and os.readlink(self.link) == str(self.target) and self.switched.exists()

    @property
    def is_untouched(self) -> bool:
        """Whether neither switch is in place."""
        return not self.link.is_symlink() and not self.switched.exists()

    def application(self, **more: object) -> Mapped:
        """The application as the plan describes it, with a freeze and both kinds of switch; `more` changes keys."""
        keys: Mapped = {
            "freeze": flag_freeze(self.frozen),
            "switch": [link_switch(self.link, self.target), flag_switch(self.switched)],
            **more,
        }
        source = f"old:{self.source_path or self.source}"
        return application(NAME, source, f"new:{self.target_path or self.target}", **keys)

    def cli(self, *others: Mapped, state: str = "state", **more: object) -> Cli:
        """Write the plan, with `others` as further applications, and give the command line for it."""
        ends: Mapping[str, Mapped] = {"old": self.source_end, "new": self.target_end, **self.more_ends}
        plan = write_plan(self.folder / "plan.yaml", ends, self.application(**more), *others)
        return Cli(plan, self.folder / state, {})


def give(root: Path, account: Account) -> None:
    """Make everything below `root` belong to `account`; as an ordinary user it does already."""
    if os.geteuid() != 0:
        return
    owner = account.data.stat()
    for folder, folders, files in os.walk(os.fsencode(root)):
        for path in (folder, *(os.path.join(folder, name) for name in folders + files)):
            # Also a chown that changes nothing is a change, to those who look at ctime.
            if os.lstat(path).st_uid != owner.st_uid:
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def footprint(root: Path) -> dict[bytes, tuple[int, int, int, int]]:
    """Inode, size, mtime and ctime of everything below `root`: equal when nothing was written, not even the same."""
    found = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        for path in (folder, *(os.path.join(folder, name) for name in folders + files)):
            seen = os.lstat(path)
            found[path] = (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    return found


def flip_a_byte(path: Path) -> None:
    """Change one byte and keep size, mode and mtime, as a fault of a disk would."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
