"""A `python3` that lies: it runs the agent as asked, with the real one, and changes what the agent says.

Started as `python3 ...` by a server whose PATH leads here; the file `behaviour` in the folder that the environment
calls HOSTILE_FOLDER names what to do. The agent's protocol is described at the top of its program; nothing of it is
imported, so that a mistake of ours about it shows.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Literal

REAL = "/usr/bin/python3"
MAGIC = b"\nmigrator-agent "
FACTS = struct.Struct(">BQqIIIqQIQQ")
SCAN_NEXT, READ_NEXT, DIGEST_NEXT = 4, 7, 72
FOLDER, ENTRY = 0, 1  # records of a scan
GREETING = -1
FILE, FOLDER_KIND, LINK = 0, 1, 2

# The verb that was asked, the status and the body of the true answer -> raw bytes in its place; None: the truth.
Lie = Callable[[int, int, bytes], "bytes | None"]


@dataclass(frozen=True)
class Behaviour:
    """What one agent does, and what may come of a run against it."""

    name: str
    lie: Lie
    codes: tuple[int, ...]
    role: Literal["source", "target"] = "source"


BEHAVIOURS: dict[str, Behaviour] = {}


def text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def frame(body: bytes, status: int = 0) -> bytes:
    return struct.pack(">IB", len(body) + 1, status) + body


def entry(name: bytes, kind: int = FILE, *, size: int = 0, mode: int = 0o644, link: bytes = b"") -> bytes:
    """The record of an entry in a scan."""
    facts = FACTS.pack(kind, size, 10**18, mode, 0, 0, 10**18, 99, 1, 1, size)
    return bytes([ENTRY]) + facts + text(name) + text(link) + text(b"")


def add(name: str, *codes: int, verb: int, lie: Callable[[int, bytes], bytes]) -> None:
    """An agent that answers `verb` with `lie(status, body)`."""
    role: Literal["source", "target"] = "target" if verb == DIGEST_NEXT else "source"  # where it is asked of a run
    BEHAVIOURS[name] = Behaviour(
        name, lambda asked, status, body: lie(status, body) if asked == verb else None, codes, role
    )


def lists(name: str, *codes: int, records: bytes) -> None:
    """An agent whose listing ends with these records, too."""
    add(
        name,
        *codes,
        verb=SCAN_NEXT,
        lie=lambda status, body: frame(body + records if body[:1] == b"\0" else body, status),
    )


lists("a name that leads upwards", 8, records=entry(b"../outside"))
lists("dot-dot", 8, records=entry(b"..", FOLDER_KIND))
lists("a name with a slash", 8, records=entry(b"folder/new"))
lists("a NUL in a name", 8, records=entry(b"a\0b"))
lists("an empty name", 8, records=entry(b""))
lists("a name twice", 8, records=entry(b"new") * 2)
lists("a link and then what is in it", 8, records=entry(b"door", LINK, link=b"../outside") + b"\0" + text(b"door"))
lists("a folder that nobody has announced", 8, records=bytes([FOLDER]) + text(b"nowhere") + entry(b"new"))
lists("a folder outside", 8, records=bytes([FOLDER]) + text(b"../outside") + entry(b"new"))
lists("a kind that there is not", 8, records=entry(b"new", 9))
lists("a mode that cannot be", 8, records=entry(b"new", mode=stat.S_IFREG | 0o644))
lists("a file of 2^63 bytes", 8, records=entry(b"new", size=1 << 63))
lists("a link text of a file", 8, records=entry(b"new", link=b"somewhere"))
lists("a record that there is not", 8, records=b"\x63")
lists("a record that is cut short", 8, records=entry(b"new")[:20])
lists("a name that would write on a terminal", 3, 4, records=entry(b"\x1b]0;owned\x07\r\n", size=10))
lists("a name of 900 kB", 8, records=entry(b"n" * 900_000, size=10))

add("a frame of 4 GB", 8, verb=SCAN_NEXT, lie=lambda _status, _body: b"\xff\xff\xff\xff" + bytes(100))
add("a frame of no bytes", 8, verb=SCAN_NEXT, lie=lambda _status, _body: bytes(100))
add("an answer twice", 8, verb=SCAN_NEXT, lie=lambda status, body: frame(body, status) * 20)
add("an error that says nothing", 8, verb=SCAN_NEXT, lie=lambda _status, _body: frame(b"\0", 1))
add(
    "an error that would write on a terminal",
    10,
    verb=SCAN_NEXT,
    lie=lambda _status, _body: frame(struct.pack(">i", 13) + text(b"\x1b[31m" * 100_000), 1),
)
add("content of a file that nobody asked for", 8, verb=READ_NEXT, lie=lambda status, body: frame(body * 3, status))
add("a verdict that there is not", 8, verb=READ_NEXT, lie=lambda status, body: frame(b"\x63" + body[1:], status))
add("content that is cut short", 8, verb=READ_NEXT, lie=lambda status, body: frame(body[:-1], status))
add("no content for ever", 8, verb=READ_NEXT, lie=lambda status, _body: frame(b"", status))
add("no digests for ever", 8, verb=DIGEST_NEXT, lie=lambda status, _body: frame(b"", status))
add("digests that are cut short", 8, verb=DIGEST_NEXT, lie=lambda status, body: frame(body[:-1], status))


def spoilt(status: int, body: bytes) -> bytes:
    """The content with one bit turned: the last byte belongs to the content of the last file."""
    return frame(body[:-1] + bytes([body[-1] ^ 1]) if body else body, status)


add("content with a bit that is turned", 3, 4, 8, verb=READ_NEXT, lie=spoilt)
add("a bit of a digest that is turned", 3, 8, verb=DIGEST_NEXT, lie=spoilt)
add("a greeting of another protocol", 8, verb=GREETING, lie=lambda _, body: MAGIC + text(b"\0\0\0\x09" + body[4:]))
add("a greeting that is cut short", 8, verb=GREETING, lie=lambda _, _body: MAGIC + text(b"\0\0"))
add("a greeting of 2 GB", 8, verb=GREETING, lie=lambda _, _body: MAGIC + b"\x7f\xff\xff\xff" + bytes(1000))
add("a banner of 10 MB", 10, verb=GREETING, lie=lambda _, _body: b"Welcome! " * 1_111_111)


class Relay:
    """Passes on what client and agent say, but for one lie."""

    def __init__(self, lie: Lie, agent: subprocess.Popen[bytes]) -> None:
        self._lie = lie
        self._agent = agent
        self._asked: deque[int] = deque()

    def run(self) -> None:
        threading.Thread(target=self._upwards, daemon=True).start()
        assert self._agent.stdout is not None
        with contextlib.suppress(EOFError, BrokenPipeError):
            self._greet(self._agent.stdout)
            while True:
                length, status = struct.unpack(">IB", take(self._agent.stdout, 5))
                body = take(self._agent.stdout, length - 1)
                told = self._lie(self._asked.popleft(), status, body)
                say(frame(body, status) if told is None else told)
        self._agent.kill()
        self._agent.wait()

    def _greet(self, stream: IO[bytes]) -> None:
        take(stream, len(MAGIC))
        greeting = take(stream, int.from_bytes(take(stream, 4), "big"))
        told = self._lie(GREETING, 0, greeting)
        say(MAGIC + text(greeting) if told is None else told)

    def _upwards(self) -> None:
        assert self._agent.stdin is not None
        client = sys.stdin.buffer
        with contextlib.suppress(EOFError, BrokenPipeError):
            length = take(client, 8)
            self._pass_on(length + take(client, int(length, 16)))
            while True:
                head = take(client, 9)
                (size, verb) = struct.unpack(">IB", head[:5])
                self._asked.append(verb)
                self._pass_on(head + take(client, size - 5))
        with contextlib.suppress(BrokenPipeError):
            self._agent.stdin.close()

    def _pass_on(self, data: bytes) -> None:
        assert self._agent.stdin is not None
        self._agent.stdin.write(data)
        self._agent.stdin.flush()


def take(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def say(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest) :]


def main() -> None:
    with open(os.path.join(os.environ["HOSTILE_FOLDER"], "behaviour"), encoding="utf-8") as file:
        name = file.read()
    argv = [REAL, *sys.argv[1:]]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as agent:
        Relay(BEHAVIOURS[name].lie, agent).run()


if __name__ == "__main__":
    main()
