"""An SFTP server that lies: one named behaviour a run, on top of the honest server of the tests.

Started as `python3 -m tests.faults.hostile_sftp FOLDER`; the file `behaviour` in that folder names what to do. The
tree it serves holds `alpha`, `beta`, `folder/inside`, `large` and the link `link`.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.faults import sftp_server as sftp
from tests.faults.sftp_server import Request, Server, Tamper, attributes, names, packet, status, string

FILE, FOLDER, LINK = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777
MUCH = 10_000_000
ENDLESS_BYTES = 256 << 20  # more than anybody should take, and not more than a disk holds

Role = Literal["source", "target"]


@dataclass(frozen=True)
class Behaviour:
    """What one server does, and what may come of a run against it."""

    name: str
    tamper: Tamper
    codes: tuple[int, ...]
    role: Role = "source"
    is_slow: bool = False  # what it does is noticed by a deadline only


BEHAVIOURS: dict[str, Behaviour] = {}


def behaviour(name: str, *codes: int, role: Role = "source", is_slow: bool = False) -> Callable[[Tamper], Tamper]:
    """A run against the decorated tampering may end with one of `codes`."""

    def add(tamper: Tamper) -> Tamper:
        BEHAVIOURS[name] = Behaviour(name, tamper, codes, role, is_slow)
        return tamper

    return add


def lists(name: str, code: int, *listed: tuple[bytes, int], role: Role = "source") -> None:
    """A server whose root holds these names and modes, too, in one answer."""

    def tamper(server: Server, request: Request) -> bytes | None:
        if request.kind != sftp.READDIR or not is_root(server, request) or server.is_again("listed"):
            return None
        facts = [(each, attributes(mode, 5 if stat.S_ISREG(mode) else 0)) for each, mode in listed]
        return packet(sftp.NAME, request.number, names(*facts))

    behaviour(name, code, role=role)(tamper)


def answers(name: str, *codes: int, kind: int, instead: Callable[[int], bytes]) -> None:
    """A server that says `instead(number of the request)` to every request of `kind`."""
    behaviour(name, *codes)(lambda _server, request: instead(request.number) if request.kind == kind else None)


def is_root(server: Server, request: Request) -> bool:
    """Whether a folder is the first one that this session has opened."""
    return bool(request.path) and request.path == next((path for _, path in server.handles.values()), b"")


# Listings that no tree can have.
lists("a name that leads upwards", 8, (b"../outside", FILE))
lists("a name with a slash", 8, (b"folder/new", FILE))
lists("an absolute name", 8, (b"/etc/passwd", FILE))
lists("a NUL in a name", 8, (b"al\0pha", FILE))
lists("an empty name", 8, (b"", FILE))
lists("a name twice in one answer", 8, (b"new", FILE), (b"new", FILE))
lists("a name that comes again in the next answer", 8, (b"alpha", FILE))
lists("a link and then a child of it", 8, (b"door", LINK), (b"door/child", FILE))
lists("a link that is a folder a moment later", 8, (b"door", LINK), (b"door", FOLDER))
lists("dot-dot as a file", 0, (b"..", FILE), (b".", LINK))
lists("a name of 60 kB", 8, (b"n" * 60_000, FILE))
lists("a target that lists a name upwards", 8, (b"../outside", FILE), role="target")
lists("a target that lists an empty name", 8, (b"", FOLDER), role="target")


@behaviour("names without end", 8, is_slow=True)
def _endless_names(server: Server, request: Request) -> bytes | None:
    if request.kind != sftp.READDIR:
        return None
    first = 400 * len(server.handles) + server.turn("names") * 1000
    return packet(sftp.NAME, request.number, names(*((b"n%d" % (first + n), attributes(FILE)) for n in range(1000))))


answers(
    "empty answers without end",
    8,
    kind=sftp.READDIR,
    instead=lambda number: packet(sftp.NAME, number, names()),
)
answers(
    "dots without end",
    8,
    kind=sftp.READDIR,
    instead=lambda number: packet(sftp.NAME, number, names((b".", attributes(FOLDER)), (b"..", attributes(FOLDER)))),
)


@behaviour("folders in folders without end", 8)
def _endless_depth(server: Server, request: Request) -> bytes | None:
    if request.kind == sftp.OPENDIR and b"deep" in request.path:
        return packet(sftp.HANDLE, request.number, string(server.new_handle(-1, request.path)))
    if request.kind == sftp.CLOSE and b"deep" in request.path:
        return status(request.number, sftp.OK)
    if request.kind != sftp.READDIR:
        return None
    if server.is_again(request.handle.decode()):
        return status(request.number, sftp.EOF)
    return packet(sftp.NAME, request.number, names((b"deep" * 50, attributes(FOLDER)), (b".", attributes(FOLDER))))


answers(
    "more names announced than sent",
    8,
    kind=sftp.READDIR,
    instead=lambda number: packet(sftp.NAME, number, names((b"one", attributes(FILE)), count=0xFFFFFFFF)),
)
answers(
    "a listing that is no listing",
    8,
    kind=sftp.READDIR,
    instead=lambda number: packet(sftp.ATTRS, number, attributes(FILE)),
)
answers(
    "attributes that break off",
    8,
    kind=sftp.READDIR,
    instead=lambda number: packet(sftp.NAME, number, names((b"one", attributes(FILE)[:13]))),
)
answers(
    "a file of 2^63 bytes",
    8,
    kind=sftp.READDIR,
    instead=lambda number: packet(sftp.NAME, number, names((b"one", attributes(FILE, 1 << 63)))),
)
answers(
    "a listing that fails at its end",
    10,
    kind=sftp.READDIR,
    instead=lambda number: status(number, sftp.FAILURE, b"\x1b[31mno\x1b[0m" + b"x" * 200_000),
)


@behaviour("a name that would write on a terminal", 0)
def _escapes(server: Server, request: Request) -> bytes | None:
    if request.kind == sftp.READDIR and is_root(server, request) and not server.is_again("listed"):
        return packet(sftp.NAME, request.number, names((b"\x1b]0;owned\x07\r\n", attributes(FOLDER))))
    if request.kind == sftp.OPENDIR and request.name.startswith(b"\x1b"):
        return packet(sftp.HANDLE, request.number, string(server.new_handle(-1, request.path)))
    if request.path and request.name.startswith(b"\x1b"):
        return status(request.number, sftp.EOF if request.kind == sftp.READDIR else sftp.OK)
    return None


# Content.
def reads(name: str, *codes: int, of: bytes = b"alpha", instead: Callable[[Request, int, int], bytes]) -> None:
    """A server that answers reads of one file with `instead(request, offset, length)`."""

    def tamper(_server: Server, request: Request) -> bytes | None:
        if request.kind != sftp.READ or request.name != of:
            return None
        asked = Request(request.kind, request.number, request.body)
        asked.string()
        return instead(request, asked.long(), asked.word())

    behaviour(name, *codes)(tamper)


def data(request: Request, content: bytes) -> bytes:
    return packet(sftp.DATA, request.number, string(content))


reads(
    "six bytes of a thousand",
    3,
    instead=lambda request, at, _: status(request.number, sftp.EOF) if at else data(request, b"123456"),
)
reads("more bytes than were asked for", 8, instead=lambda request, _, length: data(request, bytes(length + 1)))
reads("a file without an end", 3, instead=lambda request, _, length: data(request, bytes(min(length, 32768))))
reads(
    "content that differs each time", 3, 4, instead=lambda request, at, n: data(request, os.urandom(min(n, 1000 - at)))
)
reads("empty content instead of an end", 3, instead=lambda request, _at, _n: data(request, b""))
reads("a status instead of content", 3, instead=lambda request, _at, _n: status(request.number, sftp.OK))
reads(
    "attributes instead of content",
    8,
    instead=lambda request, _at, _n: packet(sftp.ATTRS, request.number, attributes(FILE)),
)
reads("content that is longer than its packet", 8, instead=lambda request, _at, _n: cut_short(request))
reads("a file that cannot be read", 3, instead=lambda request, _at, _n: status(request.number, 77, b"\x1b[2J" * 50_000))
reads(
    "a byte at a time",
    0,
    instead=lambda request, at, _: status(request.number, sftp.EOF) if at >= 1000 else data(request, b"a"),
)
reads(
    "content of another place",
    3,
    4,
    of=b"large",
    instead=lambda request, at, n: (
        data(request, (b"%032d" % (at + time.monotonic_ns())) * (min(n, 600_000 - at) // 32))
        if at < 600_000
        else status(request.number, sftp.EOF)
    ),
)


def cut_short(request: Request) -> bytes:
    return packet(sftp.DATA, request.number, struct.pack(">I", 900) + b"few")


@behaviour("a file that grows for ever once it is open", 3, 4)
def _grows(server: Server, request: Request) -> bytes | None:
    if request.name != b"alpha":
        return None
    if request.kind in (sftp.FSTAT, sftp.LSTAT):
        return packet(sftp.ATTRS, request.number, attributes(FILE, 1 << 62))
    if request.kind == sftp.READ:
        given = server.turn("read")
        length = min(32768, int.from_bytes(request.body[-4:], "big"))
        return data(request, bytes(length)) if given < ENDLESS_BYTES // 32768 else status(request.number, sftp.EOF)
    return None


# What is listed and then is something else.
def opens(name: str, *codes: int, instead: Callable[[Request], bytes]) -> None:
    """A server that answers the opening of `alpha` with something else."""
    behaviour(name, *codes)(
        lambda _server, request: instead(request) if request.kind == sftp.OPEN and request.name == b"alpha" else None
    )


opens(
    "a file that is gone when it is opened", 0, 3, 4, instead=lambda request: status(request.number, sftp.NO_SUCH_FILE)
)
opens("a file that nobody may read", 3, instead=lambda request: status(request.number, sftp.PERMISSION_DENIED))
opens("opened, but without a handle", 8, instead=lambda request: status(request.number, sftp.OK)[:5] + b"junk")
opens(
    "a handle of a thousand bytes",
    8,
    instead=lambda request: packet(sftp.HANDLE, request.number, string(b"h" * 1000)),
)
opens(
    "content where a handle belongs",
    8,
    instead=lambda request: packet(sftp.DATA, request.number, string(b"content")),
)


@behaviour("a file that turns out to be a folder", 3, 4)
def _type_lie(_server: Server, request: Request) -> bytes | None:
    is_meant = request.kind in (sftp.FSTAT, sftp.LSTAT) and request.name == b"alpha"
    return packet(sftp.ATTRS, request.number, attributes(FOLDER)) if is_meant else None


@behaviour("a file of another age at each look", 3, 4)
def _ageing(server: Server, request: Request) -> bytes | None:
    if request.kind not in (sftp.FSTAT, sftp.LSTAT) or request.name != b"alpha":
        return None
    return packet(sftp.ATTRS, request.number, attributes(FILE, 1000, 1_500_000_000 + server.turn("look")))


@behaviour("a file that is gone while it is read", 3, 4)
def _vanishing(_server: Server, request: Request) -> bytes | None:
    is_meant = request.kind == sftp.LSTAT and request.name == b"alpha"
    return status(request.number, sftp.NO_SUCH_FILE) if is_meant else None


@behaviour("a folder that is a link at the next listing", 0, 3)
def _link_then_child(server: Server, request: Request) -> bytes | None:
    """`door` is a link out of the tree, later a folder: who follows the link for what is in it writes outside."""
    if request.kind == sftp.READDIR and is_root(server, request) and not server.is_again("listed"):
        mode = FOLDER if server.turn("passes") else LINK
        return packet(sftp.NAME, request.number, names((b"door", attributes(mode))))
    if request.kind == sftp.READLINK and request.name == b"door":
        return packet(sftp.NAME, request.number, names((b"../outside", bytes(4))))
    if request.kind == sftp.OPENDIR and request.name == b"door":
        return packet(sftp.HANDLE, request.number, string(server.new_handle(-1, request.path)))
    if request.kind == sftp.READDIR and request.name == b"door" and not server.is_again("door"):
        return packet(sftp.NAME, request.number, names((b"child", attributes(FOLDER)), (b".", attributes(FOLDER))))
    if b"/door" in request.path:
        return status(request.number, sftp.EOF if request.kind == sftp.READDIR else sftp.OK)
    return None


def links(name: str, code: int, text: bytes) -> None:
    """A server whose link says `text`."""
    answers(
        name,
        code,
        kind=sftp.READLINK,
        instead=lambda number: packet(sftp.NAME, number, names((text, bytes(4)))),
    )


links("a link with a NUL", 3, b"a\0b")
links("a link that says nothing", 3, b"")
links("a link of 100 kB", 3, b"l" * 100_000)
links("a link out of the tree", 0, b"../../outside")
answers(
    "two texts for one link",
    8,
    kind=sftp.READLINK,
    instead=lambda number: packet(sftp.NAME, number, names((b"a", bytes(4)), (b"b", bytes(4)))),
)
answers(
    "a root that is two places",
    8,
    kind=sftp.REALPATH,
    instead=lambda number: packet(sftp.NAME, number, names((b"/a", bytes(4)), (b"/b", bytes(4)))),
)


# Packets.
@behaviour("one handle for everything", 3, 8, 10)
def _one_handle(server: Server, request: Request) -> bytes | None:
    if request.kind != sftp.OPEN:
        return None
    server.handles[b"same"] = os.open(request.path, os.O_RDONLY), request.path
    return packet(sftp.HANDLE, request.number, string(b"same"))


answers("an answer to nobody", 8, kind=sftp.OPENDIR, instead=lambda number: status(number + 1000, sftp.OK))
answers("an answer twice", 8, kind=sftp.READDIR, instead=lambda number: status(number, sftp.EOF) * 2)
answers("a packet of 4 GB", 8, kind=sftp.OPENDIR, instead=lambda _: b"\xff\xff\xff\xff" + bytes(100))
answers("a packet of one byte", 8, kind=sftp.OPENDIR, instead=lambda _: b"\0\0\0\1" + bytes(100))
answers("a kind of packet that there is not", 8, kind=sftp.OPENDIR, instead=lambda number: packet(250, number))
answers(
    "an answer of 100 MB piece by piece",
    8,
    kind=sftp.OPENDIR,
    instead=lambda number: struct.pack(">IBI", 100_000_000, sftp.HANDLE, number) + bytes(1_000_000),
)


@behaviour("answers under each other's numbers", 3, 8, 10)
def _swapped(server: Server, request: Request) -> bytes | None:
    if request.kind != sftp.READ:
        return None
    length, kind, number = struct.unpack(">IBI", server.hear(9))
    other = Request(kind, number, server.hear(length - 5))
    number, other.number = other.number, request.number
    first = server.answer(other)
    request.number = number
    return first + server.honest(request)


@behaviour("a server that dies again and again", 3, 10)
def _dies(server: Server, request: Request) -> bytes | None:
    if request.kind == sftp.READ:
        os._exit(1)
    return None


@behaviour("a greeting of another version", 10)
def _version(_server: Server, request: Request) -> bytes | None:
    return packet(sftp.VERSION, 6) if request.kind == sftp.INIT else None


def greets(name: str, *codes: int, instead: Callable[[], bytes], then_silent: bool = False) -> None:
    """A server that says something else than VERSION."""

    def tamper(server: Server, request: Request) -> bytes | None:
        if request.kind != sftp.INIT:
            return None
        server.say(instead())
        if then_silent:
            server.fall_silent()
        return b""

    behaviour(name, *codes, is_slow=then_silent)(tamper)


greets("a banner of 10 MB", 10, instead=lambda: b"Welcome! " * (MUCH // 9))
greets("a login script that prints", 10, instead=lambda: b"\x1b[31mWelcome\x1b[0m\r\n")
greets("extensions that are cut short", 8, instead=lambda: packet(sftp.VERSION, 3, struct.pack(">I", 99) + b"few"))
greets("a greeting of 100 MB", 10, instead=lambda: struct.pack(">IBI", 100_000_000, sftp.VERSION, 3))
greets(
    "ten thousand extensions",
    0,
    instead=lambda: packet(sftp.VERSION, 3, b"".join(string(b"x%d@example" % n) + string(b"") for n in range(10_000))),
)
greets("no greeting at all", 10, instead=lambda: b"", then_silent=True)


@behaviour("silence in the middle", 10, 3, is_slow=True)
def _silence(server: Server, request: Request) -> bytes | None:
    if request.kind == sftp.READ:
        server.fall_silent()
    return None


@behaviour("a byte a second", 10, 3, is_slow=True)
def _trickle(server: Server, request: Request) -> bytes | None:
    if request.kind != sftp.READ:
        return None
    for byte in data(request, bytes(32768)):
        server.say(bytes([byte]))
        time.sleep(1)
    return b""


# Targets that say yes.
def target(name: str, *codes: int, kind: int, instead: Callable[[Server, Request], bytes]) -> None:
    """A target that does something else than what it is asked to, where content is concerned."""

    def tamper(server: Server, request: Request) -> bytes | None:
        is_content = request.kind == kind and b"migrator-lease" not in request.path
        return instead(server, request) if is_content else None

    behaviour(name, *codes, role="target")(tamper)


def _spoilt(server: Server, request: Request) -> bytes:
    asked = Request(request.kind, request.number, request.body)
    asked.string()
    offset, content = asked.long(), bytearray(asked.string())
    content[len(content) // 2] ^= 1
    os.pwrite(server.handles[request.handle][0], content, offset)
    return status(request.number, sftp.OK)


target("a target that keeps nothing", 3, kind=sftp.WRITE, instead=lambda _, request: status(request.number, sftp.OK))
target("a target that spoils a bit", 3, kind=sftp.WRITE, instead=_spoilt)
target("a target that is full", 3, kind=sftp.WRITE, instead=lambda _, request: status(request.number, sftp.FAILURE))
target(
    "a handle where a status belongs",
    8,
    kind=sftp.WRITE,
    instead=lambda _, request: packet(sftp.HANDLE, request.number, string(b"h")),
)
target(
    "a target that makes no folders",
    3,
    10,
    kind=sftp.MKDIR,
    instead=lambda _, request: status(request.number, sftp.OK),
)
target(
    "a target that renames nothing", 3, kind=sftp.EXTENDED, instead=lambda _, request: status(request.number, sftp.OK)
)


def main() -> None:
    folder = sys.argv[1]
    with open(os.path.join(folder, "behaviour"), encoding="utf-8") as file:
        name = file.read()
    Server(folder, BEHAVIOURS[name].tamper).serve()


if __name__ == "__main__":
    main()
