"""A disk of our own whose power can be cut: ext4 in an image, on a loop device. Needs root.

EXT4_IOC_SHUTDOWN ends all writing at once, as linux/fs/ext4/ioctl.c has it; what was not synced by then is gone after
the next mount, which replays the file system's journal as after a real power cut.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
_SIZE_BYTES = 256 * 1024 * 1024


class Cut(IntEnum):
    """What becomes of the file system's own journal in the moment of the cut."""

    LOG_IS_FLUSHED = 1
    LOG_IS_LOST = 2


class Disk:
    """An ext4 file system at `mount`. `disk` makes it."""

    def __init__(self, image: Path, mount: Path) -> None:
        self.mount = mount
        self._image = image

    def cut(self, how: Cut) -> None:
        """Cut the power: from now on every access fails."""
        descriptor = os.open(self.mount, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", how))
        finally:
            os.close(descriptor)

    def power_on(self) -> None:
        """Mount it anew, with what has survived; nobody may have anything on it open."""
        subprocess.run(["umount", self.mount], check=True)
        self.attach()

    def attach(self) -> None:
        """Mount it."""
        subprocess.run(["mount", "-o", "loop", self._image, self.mount], check=True)


@contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """A new, empty disk in `folder`, mounted; CalledProcessError where there are no loop devices, or no rights."""
    image, mount = folder / "disk.img", folder / "disk"
    mount.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(_SIZE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    made = Disk(image, mount)
    made.attach()
    try:
        yield made
    finally:
        subprocess.run(["umount", "--lazy", mount], check=True)
        image.unlink()
