"""Ten thousand spoilt plans through the command line, each in a process of its own with bounds on time and memory.

`python -m tests.fuzz_plans` tries all; `--count N` fewer; `--show N` prints the plan of that number. The same number
always makes the same plan. A test carries out the first few hundred.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from migrator.__main__ import main as migrator

PROJECT = Path(__file__).parents[1]
# Processor time, since a plan waits for nothing: on a machine that does nothing else it is the time on the clock.
MOST_SECONDS = 2.0
MOST_BYTES = 200 * 1000 * 1000
_HANGS_SECONDS = 60.0
_CODES = (0, 11)

_HARMFUL = (
    *("-", "~", "null", "[]", "{}", "[[a]]", "{a: b}", "&a", "*a", "!t", "<<: {}", "'", '"', "|", ">", "%", "? a", "#"),
    *("", ": ", '"\\0"', '"\\ud800"', "\t", "\0", "\x85", "\u2028", "\ud800", "\U0001f600", "\u0663", "\ufeff"),
    *("-1", "0", "1e400", "nan", "inf", "0x10", "9" * 400, "9" * 400 + " MB/s", "1" * 17 + " days", "0 s", "24:00"),
    *("..", "/", "a:", ":a", "old:/", "old:/a/../..", "[key]", "http://[", "http://h:99999", "http://h:x/", "Europe"),
    *("2018-02-30", "2018-07-07 25:00", "(" * 500, "a" * 5000, "*" * 200 + "a", "[" * 3000, "{a: " * 500),
)


class Tried(NamedTuple):
    """How one plan fared."""

    code: int  # 128 and more: ended by a signal
    seconds: float
    size_bytes: int
    said: str

    @property
    def is_good(self) -> bool:
        """Whether it ended as it must."""
        is_clean = self.code in _CODES and "Traceback" not in self.said
        return is_clean and self.seconds <= MOST_SECONDS and self.size_bytes <= MOST_BYTES


def originals() -> list[str]:
    """The plans of the project, and those of the cases that are about one complaint each."""
    plans = [path.read_text(encoding="utf-8") for path in sorted((PROJECT / "plans").glob("*.yaml"))]
    cases = (PROJECT / "tests" / "cases" / "complaints.txt").read_text(encoding="utf-8").split("=== ")[1:]
    # Often enough the whole plans, which have something of everything.
    return [*plans * 20, *(case.partition("\n")[2].rpartition("---\n")[0] for case in cases)]


def spoilt(number: int, texts: Sequence[str]) -> str:
    """The plan of that number."""
    chance = random.Random(number)
    text = chance.choice(texts)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        text = chance.choice(_MUTATIONS)(text, chance, texts)
    return text


def _overwrite(text: str, chance: random.Random, _texts: Sequence[str]) -> str:
    start = chance.randint(0, len(text))
    return text[:start] + chance.choice(_HARMFUL) + text[start + chance.randint(0, 30) :]


def _drop_a_line(text: str, chance: random.Random, _texts: Sequence[str]) -> str:
    lines = text.splitlines(keepends=True)
    if lines:
        del lines[chance.randrange(len(lines))]
    return "".join(lines)


def _borrow_a_line(text: str, chance: random.Random, texts: Sequence[str]) -> str:
    lines = text.splitlines()
    lines.insert(chance.randint(0, len(lines)), chance.choice(chance.choice(texts).splitlines() or [""]))
    return "\n".join(lines)


def _change_a_value(text: str, chance: random.Random, _texts: Sequence[str]) -> str:
    lines = text.splitlines() or [""]
    number = chance.randrange(len(lines))
    head, colon, _ = lines[number].partition(": ")
    lines[number] = f"{head}{colon}{chance.choice(_HARMFUL)}"
    return "\n".join(lines)


def _exchange_values(text: str, chance: random.Random, _texts: Sequence[str]) -> str:
    """Values of the same key change places, so that many plans stay valid, or become wrong as a whole only."""
    lines = text.splitlines()
    keyed = [number for number, line in enumerate(lines) if ": " in line]
    if not keyed:
        return text
    one = chance.choice(keyed)
    key, _, value = lines[one].partition(": ")
    same = [number for number in keyed if lines[number].partition(": ")[0].strip() == key.strip()]
    other = chance.choice(same)
    head, _, other_value = lines[other].partition(": ")
    lines[one], lines[other] = f"{key}: {other_value}", f"{head}: {value}"
    return "\n".join(lines)


def _repeat_a_part(text: str, chance: random.Random, _texts: Sequence[str]) -> str:
    lines = text.splitlines()
    start = chance.randint(0, len(lines))
    end = start + chance.randint(0, 8)
    return "\n".join([*lines[:end], *lines[start:end] * chance.choice((1, 2, 50, 300)), *lines[end:]])


def _indent_a_part(text: str, chance: random.Random, _texts: Sequence[str]) -> str:
    lines = text.splitlines()
    start = chance.randint(0, len(lines))
    end = start + chance.randint(0, 8)
    space = " " * chance.randint(1, 4)
    return "\n".join([*lines[:start], *(space + line for line in lines[start:end]), *lines[end:]])


def _cut(text: str, chance: random.Random, _texts: Sequence[str]) -> str:
    place = chance.randint(0, len(text))
    return text[:place] if chance.random() < 0.7 else text[place:]


_MUTATIONS: tuple[Callable[[str, random.Random, Sequence[str]], str], ...] = (
    _overwrite,
    _drop_a_line,
    _borrow_a_line,
    _change_a_value,
    _exchange_values,
    _exchange_values,
    _repeat_a_part,
    _indent_a_part,
    _cut,
)


def attempt(text: str, folder: Path) -> Tried:
    """`migrator plan PLAN --offline` of that text in a fork of this process, which has everything loaded."""
    plan, said = folder / "plan.yaml", folder / "said.txt"
    plan.write_bytes(text.encode("utf-8", "surrogatepass"))
    said.write_bytes(b"")
    child = os.fork()
    if child == 0:
        _carry_out(plan, said, folder / "state")
    deadline = time.monotonic() + _HANGS_SECONDS
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.001)
    code = os.waitstatus_to_exitcode(status)
    told = said.read_text(encoding="utf-8", errors="replace")
    return Tried(code if code >= 0 else 128 - code, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, told)


def _carry_out(plan: Path, said: Path, state: Path) -> None:
    try:
        descriptor = os.open(said, os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        code = migrator(["plan", str(plan), "--offline", "--state", str(state)])
    except BaseException as error:  # noqa: BLE001 - whatever leaves the door is what is looked for
        os.write(2, f"Traceback: {error!r}".encode())
        code = 1
    os._exit(code)


def main() -> int:
    """Try them; 1 when one of them ended otherwise than it must."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", type=int)
    asked = parser.parse_args()
    texts = originals()
    if asked.show is not None:
        sys.stdout.buffer.write(spoilt(asked.show, texts).encode("utf-8", "surrogatepass"))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return _try_all(range(asked.first, asked.first + asked.count), texts, Path(folder))


def _load_everything(text: str, folder: Path) -> None:
    """Carry out one plan here, so that every fork finds its modules loaded."""
    (folder / "plan.yaml").write_text(text, encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        migrator(["plan", str(folder / "plan.yaml"), "--offline", "--state", str(folder / "state")])


def _try_all(numbers: range, texts: Sequence[str], folder: Path) -> int:
    _load_everything(texts[0], folder)
    codes: Counter[int] = Counter()
    slowest, largest, bad = 0.0, 0, 0
    for number in numbers:
        tried = attempt(spoilt(number, texts), folder)
        codes[tried.code] += 1
        slowest, largest = max(slowest, tried.seconds), max(largest, tried.size_bytes)
        if not tried.is_good or (folder / "state").exists():
            bad += 1
            figures = f"exit {tried.code}, {tried.seconds:.2f} s, {tried.size_bytes / 1e6:.0f} MB"
            sys.stdout.write(f"plan {number}: {figures}\n{tried.said[-800:]}\n")
    sys.stdout.write(f"{sum(codes.values())} plans: {dict(sorted(codes.items()))}, {bad} wrong\n")
    sys.stdout.write(f"at most {slowest:.2f} s and {largest / 1e6:.0f} MB\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
