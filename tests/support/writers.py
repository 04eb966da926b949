"""A process that goes on writing at a source, as an application does whose freeze hook only says that it stopped."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# Each writes the same file over and over: what it takes is a path, and a file that stands once it has begun.
APPENDS = """
import sys, time
while True:
    with open(sys.argv[1], "ab") as file:
        file.write(b"x")
    open(sys.argv[2], "w").close()
    time.sleep(0.01)
"""
# Same size, and the time put back at once: nothing but ctime and content tells.
OVERWRITES = """
import itertools, os, sys, time
before = os.stat(sys.argv[1])
for number in itertools.count():
    with open(sys.argv[1], "r+b", buffering=0) as file:
        file.write(b"%d" % (number % 10))
        os.utime(file.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
    open(sys.argv[2], "w").close()
    time.sleep(0.01)
"""
ADDS = """
import itertools, sys, time
for number in itertools.count():
    open(f"{sys.argv[1]}-{number}", "w").close()
    open(sys.argv[2], "w").close()
    time.sleep(0.05)
"""


@contextlib.contextmanager
def writing(script: str, path: Path, begun: Path) -> Iterator[None]:
    """While inside, `script` writes at `path`; `begun` is made by it, and stands when this begins."""
    process = subprocess.Popen([sys.executable, "-c", script, str(path), str(begun)])
    try:
        deadline = time.monotonic() + 60
        while not begun.exists():
            assert process.poll() is None, "the writer ended"
            assert time.monotonic() < deadline, "the writer did not begin"
            time.sleep(0.01)
        yield
    finally:
        process.kill()
        process.wait()
