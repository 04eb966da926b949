"""Trees to move, and a comparison of two trees that shares no code with what is tested."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import socket
import stat
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

LONG_NAME = b"n" * 255
NASTY_NAMES = (
    b"with space",
    b" leading and trailing ",
    b"new\nline",
    b"tab\there",
    b"carriage\rreturn",
    b"escape\x1b[31mred",
    b"latin-1 \xe9t\xe9",
    b"not \xff\xfe utf-8",
    "accents éàü and 漢字".encode(),
    b"-rf",
    b"--help",
    b'double"quote',
    b"single'quote",
    b"back\\slash",
    b"$(touch pwned)",
    b"`touch pwned`",
    b"; touch pwned",
    b"*?[a]",
    b"~",
    b"#comment#",
    b".hidden",
    b"...",
    b".migrator-looks-like-ours",
    LONG_NAME,
)
# Around the sizes at which the lanes cut their reads and writes.
SIZES = (
    0,
    1,
    4095,
    4096,
    32767,
    32768,
    32769,
    261119,
    261120,
    261121,
    (1 << 20) - 1,
    1 << 20,
    (1 << 20) + 1,
    3_000_017,
)
MTIME_NS = 1_530_534_645_123_456_789  # 2 July 2018, with a fraction that lanes may lose


def write_file(path: bytes, content: bytes = b"content\n", mode: int = 0o644, mtime_ns: int = MTIME_NS) -> None:
    """A file with everything about it decided; folders above it are made."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)
    os.utime(path, ns=(mtime_ns, mtime_ns))


def build_nasty(root: bytes) -> None:
    """Every name, kind, mode and size that has ever broken a copy; special files and unreadable folders excepted."""
    os.makedirs(root, exist_ok=True)
    for number, name in enumerate(NASTY_NAMES):
        write_file(root + b"/names/" + name, b"content of " + name, mtime_ns=MTIME_NS + number * 10**9)
        write_file(root + b"/folders/" + name + b"/" + name, name)
    for size in SIZES:
        write_file(root + b"/sizes/%d" % size, random.Random(size).randbytes(size))
    for mode in (0o000, 0o400, 0o444, 0o600, 0o640, 0o755, 0o777):
        write_file(root + b"/modes/%03o" % mode, b"%o" % mode, mode)
    for mode in (0o500, 0o555, 0o700, 0o750, 0o1777):
        folder = root + b"/modes/folder %o" % mode
        write_file(folder + b"/inside")
        os.chmod(folder, mode)
    os.makedirs(root + b"/empty/folder/in folder")
    write_file(root + b"/times/old", mtime_ns=0)
    write_file(root + b"/times/late", mtime_ns=4_000_000_000 * 10**9)  # beyond 2038, within SFTP's 32 bits
    _build_links(root)
    set_folder_times(root)


def _build_links(root: bytes) -> None:
    links = root + b"/links"
    os.mkdir(links)
    for name, text in (
        (b"relative", b"../names/with space"),
        (b"dangling", b"nowhere/at all"),
        (b"absolute", b"/etc/passwd"),
        (b"escaping", b"../../../../../../etc"),
        (b"to a folder", b"../folders"),
        (b"loop", b"loop"),
        (b"ping", b"pong"),
        (b"pong", b"ping"),
        (b"odd text", b"new\nline \xff"),
        (b"long", b"x/" * 1000),
    ):
        os.symlink(text, links + b"/" + name)
        os.utime(links + b"/" + name, ns=(MTIME_NS, MTIME_NS), follow_symlinks=False)


def build_specials(root: bytes) -> None:
    """A FIFO and a socket, which are listed and never opened."""
    os.makedirs(root, exist_ok=True)
    os.mkfifo(root + b"/fifo")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(root):  # a socket's path may have 107 bytes
        listener.bind(b"socket")


def build_deep(root: bytes, levels: int = 1000) -> None:
    """A file below `levels` folders, whose path is far longer than the kernel takes at once."""
    os.makedirs(root, exist_ok=True)
    folder_fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
    for level in range(levels):
        name = b"level-%04d" % level
        os.mkdir(name, dir_fd=folder_fd)
        inner_fd = os.open(name, os.O_PATH | os.O_DIRECTORY, dir_fd=folder_fd)
        os.close(folder_fd)
        folder_fd = inner_fd
    file_fd = os.open(b"bottom", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=folder_fd)
    os.write(file_fd, b"deep down\n")
    os.close(file_fd)
    os.close(folder_fd)


def build_many(root: bytes, files: int, *, seed: int = 1, files_per_folder: int = 100) -> None:
    """`files` small files (up to 8 KiB) in folders of `files_per_folder`; the same bytes for the same seed."""
    chance = random.Random(seed)
    for number in range(files):
        folder = b"%s/folder %04d" % (root, number // files_per_folder)
        if number % files_per_folder == 0:
            os.makedirs(folder)
        with open(b"%s/file %06d" % (folder, number), "wb") as file:
            file.write(chance.randbytes(chance.randint(0, 8192)))


def remove_tree(root: bytes) -> None:
    """Remove a tree however deep; `shutil.rmtree` recurses, with a descriptor a level."""
    subprocess.run([b"rm", b"-rf", b"--", root], check=True)


def set_folder_times(root: bytes, mtime_ns: int = MTIME_NS) -> None:
    """Give every folder below and including `root` the same time, which only a settled copy has too."""
    for folder, _, _ in os.walk(root, topdown=False):
        os.utime(folder, ns=(mtime_ns, mtime_ns))


@dataclass(frozen=True)
class Fact:
    """What two equal entries have in common."""

    kind: str  # "file", "folder", "link", or "special (fifo)" ...
    mode: int | None  # None for links
    mtime: int
    owner: tuple[int, int] | None
    content: str  # SHA-256 of a file, text of a link
    attributes: tuple[tuple[str, bytes], ...] = ()  # extended attributes and ACLs, where asked for
    names: tuple[bytes, ...] = ()  # of the same file, this one included, where asked for


def attributes_of(path: bytes) -> tuple[tuple[str, bytes], ...]:
    """The extended attributes of `path` that are content, and its ACLs, as the kernel shows them."""
    names = (name for name in os.listxattr(path, follow_symlinks=False) if not name.startswith("security.s"))
    return tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in sorted(names))


def acl(*entries: tuple[int, int, int]) -> bytes:
    """An ACL as the kernel takes it, from (tag, permissions, id); see linux/posix_acl_xattr.h."""
    nobody = 0xFFFFFFFF
    return struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, permissions, who if tag in {2, 8} else nobody) for tag, permissions, who in entries
    )


# Owner, a named user, the group, a named group, the mask, everybody else.
ACCESS = acl((1, 6, 0), (2, 7, 1234), (4, 4, 0), (8, 5, 4321), (16, 7, 0), (32, 0, 0))
FOLDER_ACCESS = acl((1, 7, 0), (2, 7, 1234), (4, 5, 0), (8, 5, 4321), (16, 7, 0), (32, 0, 0))
DEFAULT = acl((1, 7, 0), (2, 5, 1234), (4, 5, 0), (16, 5, 0), (32, 0, 0))


def build_attributes(root: bytes) -> None:
    """Attributes with every kind of name and value, ACLs on files and folders, and files with several names."""
    odd = "user." + os.fsdecode(b"odd \xff\n name \x1b[31m")
    for name, attributes in (
        (b"plain", {}),
        (b"binary", {"user.binary": bytes(range(256)), "user.empty": b"", odd: b"\0", "user.a": b"1"}),
        (b"long", {"user.long": b"v" * 3000}),
        (b"acl", {"system.posix_acl_access": ACCESS, "user.too": b"x"}),
        (b"folder/inside", {}),  # of a folder that gives its own ACL to what is made in it
        (b"folder/with its own", {"system.posix_acl_access": ACCESS}),
    ):
        write_file(root + b"/attributes/" + name)
        for attribute, value in attributes.items():
            os.setxattr(root + b"/attributes/" + name, attribute, value)
    folder = root + b"/attributes/folder"
    os.setxattr(folder, "user.of a folder", b"\xff")
    os.setxattr(folder, "system.posix_acl_access", FOLDER_ACCESS)
    os.setxattr(folder, "system.posix_acl_default", DEFAULT)
    os.mkdir(folder + b"/made in it")  # has both ACLs from above
    os.mkdir(root + b"/attributes/closed")
    os.setxattr(root + b"/attributes/closed", "user.of a closed folder", b"1")
    os.chmod(root + b"/attributes/closed", 0o555)
    write_file(root + b"/linked/here/one", b"one file\n", 0o640)
    os.makedirs(root + b"/linked/there")
    for name in (b"here/two", b"there/three", b"zero"):
        os.link(root + b"/linked/here/one", root + b"/linked/" + name)
    write_file(root + b"/linked/equal", b"one file\n", 0o640)  # but another one
    os.setxattr(root + b"/linked/here/one", "user.shared", b"by all names")
    set_folder_times(root)


def snapshot(
    root: bytes | Path, *, nanoseconds: bool = True, owners: bool = False, everything: bool = False
) -> dict[bytes, Fact]:
    """The facts of every entry below and including `root`, by relative path; files are read to their end.

    With `everything` also attributes, ACLs and which names are one file; no path may be too long for the kernel then.
    """
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        facts = {b"": _fact(root_fd, b".", nanoseconds=nanoseconds, owners=owners)}
        folders = [b""]
        while folders:
            folder = folders.pop()
            with _opened(root_fd, folder) as folder_fd:
                for name in (os.fsencode(name) for name in os.listdir(folder_fd)):
                    path = folder + b"/" + name if folder else name
                    facts[path] = _fact(folder_fd, name, nanoseconds=nanoseconds, owners=owners)
                    if facts[path].kind == "folder":
                        folders.append(path)
        return _with_everything(os.fsencode(root), facts) if everything else facts
    finally:
        os.close(root_fd)


def differences(
    source: bytes | Path,
    target: bytes | Path,
    *,
    nanoseconds: bool = True,
    owners: bool = False,
    specials: bool = False,
    root: bool = True,
    everything: bool = False,
) -> list[str]:
    """How the tree at `target` differs from the one at `source`, a line each; empty when they are equal.

    Compared are kind, mode, modification time (whole seconds unless `nanoseconds`), content and link text. With
    `specials` FIFOs and the like at the source must exist at the target too; `root` includes the two roots' facts,
    `everything` attributes, ACLs and which names are one file.
    """
    wanted = snapshot(source, nanoseconds=nanoseconds, owners=owners, everything=everything)
    found = snapshot(target, nanoseconds=nanoseconds, owners=owners, everything=everything)
    if not specials:
        wanted = {path: fact for path, fact in wanted.items() if not fact.kind.startswith("special")}
    if not root:
        del wanted[b""], found[b""]
    lines = [f"missing: {path!r}" for path in sorted(wanted.keys() - found.keys())]
    lines += [f"extra: {path!r}" for path in sorted(found.keys() - wanted.keys())]
    for path in sorted(wanted.keys() & found.keys()):
        if wanted[path] != found[path]:
            lines.append(f"differs: {path!r}: {wanted[path]} became {found[path]}")
    return lines


def _with_everything(root: bytes, facts: dict[bytes, Fact]) -> dict[bytes, Fact]:
    names: dict[tuple[int, int], list[bytes]] = {}
    inodes: dict[bytes, tuple[int, int]] = {}
    for path, fact in facts.items():
        found = os.lstat(os.path.join(root, path))
        inodes[path] = (found.st_dev, found.st_ino)
        if fact.kind == "file":
            names.setdefault(inodes[path], []).append(path)
    return {
        path: replace(
            fact,
            attributes=attributes_of(os.path.join(root, path)),
            names=tuple(sorted(names.get(inodes[path], []))),
        )
        for path, fact in facts.items()
    }


@contextlib.contextmanager
def _opened(root_fd: int, path: bytes) -> Iterator[int]:
    """A folder, reached one component at a time: its whole path may be too long for the kernel."""
    folder_fd = os.dup(root_fd)
    try:
        for name in path.split(b"/") if path else []:
            inner_fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder_fd)
            os.close(folder_fd)
            folder_fd = inner_fd
        yield folder_fd
    finally:
        os.close(folder_fd)


def _fact(folder_fd: int, name: bytes, *, nanoseconds: bool, owners: bool) -> Fact:
    found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    mode: int | None = stat.S_IMODE(found.st_mode)
    content = ""
    if stat.S_ISREG(found.st_mode):
        kind, content = "file", _digest(folder_fd, name)
    elif stat.S_ISDIR(found.st_mode):
        kind = "folder"
    elif stat.S_ISLNK(found.st_mode):
        kind, mode, content = "link", None, repr(os.readlink(name, dir_fd=folder_fd))
    else:
        kind = f"special ({stat.filemode(found.st_mode)[0]})"
    mtime = found.st_mtime_ns if nanoseconds else found.st_mtime_ns // 10**9
    return Fact(kind, mode, mtime, (found.st_uid, found.st_gid) if owners else None, content)


def _digest(folder_fd: int, name: bytes) -> str:
    file_fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder_fd)
    with os.fdopen(file_fd, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
