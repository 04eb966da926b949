"""Plan files that cannot be read, or that are made to harm whoever reads them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from migrator import planfile
from migrator.errors import PlanInvalid
from migrator.planfile import composing

HEAD = "migration: x\nendpoints: {h: {local: true}}\n"


def refusal(path: Path) -> PlanInvalid:
    with pytest.raises(PlanInvalid) as caught:
        planfile.load(path)
    return caught.value


def complaint(path: Path, content: bytes) -> tuple[int, int, str]:
    path.write_bytes(content)
    (only,) = refusal(path).complaints
    return only.line, only.column, only.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    error = refusal(tmp_path / "none.yaml")
    assert error.message == f"there is no plan {tmp_path}/none.yaml"
    assert error.hint
    assert error.complaints == ()


def test_a_folder_is_no_plan(tmp_path: Path) -> None:
    assert "is not a file" in refusal(tmp_path).message or "Is a directory" in refusal(tmp_path).message


def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "is not a file" in refusal(tmp_path / "fifo").message


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    # A loop of links cannot be opened by root either.
    (tmp_path / "loop").symlink_to("loop")
    assert "cannot be read: " in refusal(tmp_path / "loop").message


def test_a_name_with_control_characters_is_escaped(tmp_path: Path) -> None:
    assert "\\x1b" in refusal(tmp_path / "\x1b[31m").message
    assert "\\xff" in refusal(Path(os.fsdecode(b"/none/\xff"))).message


def test_a_file_beyond_the_limit_ends_at_the_limit(tmp_path: Path) -> None:
    content = b"# a\n" * (256 * 1024) + b"migration: x\n"
    assert complaint(tmp_path / "p", content) == (262145, 1, "the plan goes on beyond 1 MiB")


def test_a_file_of_just_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes((HEAD + "#").encode().ljust(1024 * 1024, b"-"))
    assert planfile.load(path).migration == "x"


def test_bytes_that_are_not_utf8_have_a_place(tmp_path: Path) -> None:
    content = "migration: x\n# é".encode() + b"\xff\n"
    assert complaint(tmp_path / "p", content) == (2, 4, "the byte 0xff is not UTF-8")


def test_a_byte_order_mark_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes(b"\xef\xbb\xbf" + HEAD.encode())
    assert planfile.load(path).migration == "x"


def test_windows_line_ends_are_lines(tmp_path: Path) -> None:
    assert complaint(tmp_path / "p", HEAD.replace("\n", "\r\n").encode() + b"x: y\r\n")[:2] == (3, 1)


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\ufeff"])
def test_characters_that_cannot_be_seen_are_refused(character: str, tmp_path: Path) -> None:
    found = complaint(tmp_path / "p", f"migration: x\r\n# a{character}b\n".encode())
    assert found == (2, 4, f"the invisible character U+{ord(character):04X}")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# only this\n", b"---\n...\n"])
def test_an_empty_plan_says_so(content: bytes, tmp_path: Path) -> None:
    assert complaint(tmp_path / "p", content) == (1, 1, "the plan is empty")


def test_without_the_c_parser_plans_read_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "plans" / "paris-2018.yaml"
    with_c = planfile.load(path)
    broken = tmp_path / "p"
    broken.write_text("migration: &a x\nendpoints: {h: *a, h: b, <<: c}\n'k': !t v\nz: \"\\ud800\"\n")
    monkeypatch.setattr(composing, "_PARSER", yaml.SafeLoader)
    assert planfile.load(path) == with_c
    messages = [each.message for each in refusal(broken).complaints]
    assert "the anchor `&a` is not allowed in a plan" in messages
    assert "the invisible character U+D800" in messages


BOMBS: dict[str, Callable[[], str]] = {
    "one scalar of 50 MB": lambda: "x" * 50_000_000,
    "a wide list": lambda: "migration: [" + "a," * 500_000 + "]",
    "a list just below the limit": lambda: HEAD + "waves: [" + "a," * 59_000 + "]",
    "unknown keys": lambda: "{" + ",".join(f"k{number}: a" for number in range(29_000)) + "}",
    "open brackets": lambda: "[" * 1_000_000,
    "open braces": lambda: "{a: " * 250_000,
    "dashes": lambda: "- " * 500_000,
    "question marks": lambda: "? " * 500_000,
    "anchors and aliases": lambda: (
        "a: &a [x]\n" + "".join(f"b{number}: &b{number} [*a, *a]\n" for number in range(9_000))
    ),
    "escapes": lambda: '"' + "\\x00" * 250_000 + '"',
    "keys of lists": lambda: HEAD + "? [" + "a, " * 300_000 + "]\n: b\n",
    "unknown needs": lambda: (
        HEAD
        + "waves:\n - name: w\n   applications:\n"
        + "".join(f"    - {{name: a{number}, needs: [z{number}]}}\n" for number in range(9_000))
    ),
    "a long circle": lambda: (
        HEAD
        + "waves:\n - name: w\n   applications:\n"
        + "".join(f"    - {{name: a{number}, needs: [a{(number + 1) % 9_000}]}}\n" for number in range(9_000))
    ),
    "all on one target": lambda: (
        HEAD
        + "waves:\n - name: w\n   applications:\n    - name: a\n      datasets:\n"
        + "".join(f"       - {{name: d{number}, source: 'h:/a', target: 'h:/a'}}\n" for number in range(9_000))
    ),
}

CHILD = """
import re, resource, sys, time
from pathlib import Path
from migrator import planfile
from migrator.errors import PlanInvalid
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
for name in sys.argv[1:]:
    try:
        planfile.load(Path(name))
    except PlanInvalid as error:
        complaint = error.complaints[0]
        assert complaint.line and complaint.column and complaint.hint
        # Not ru_maxrss, which begins with that of the process that started this one.
        peak = re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())
        print(time.process_time(), int(peak[1]) // 1024)
"""


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_ends_within_two_seconds_and_200_megabytes(bomb: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(BOMBS[bomb](), encoding="utf-8")
    # A process of its own, since memory is measured by its peak; its processor time, since others work here too.
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seconds, megabytes = done.stdout.split()
    assert float(seconds) < 2
    assert int(megabytes) < 200


def test_three_hundred_applications_with_a_mistake_each_are_complained_about_at_once(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    with path.open("w") as file:
        file.write("migration: x\nendpoints: {a: {ssh: a}, t: {local: true}}\nwaves:\n  - name: w\n    applications:\n")
        for number in range(300):
            file.write(
                f"      - name: app-{number}\n"
                f"        needs: [{f'app-{number - 1}' if number else ''}]\n"
                f"        datasets:\n"
                f"          - {{name: files, source: 'a:/var/{number}', target: 't:/srv/{number}', exlude: [cache/]}}\n"
                f"        freeze: {{on: source, apply: [a, stop], probe: [b], undo: [a, start]}}\n"
                f"        switch: [{{symlink: {{link: /srv/c-{number}, to: /srv/{number}}}}}]\n"
                f"        soak: 48h\n"
            )
    planfile.schema()  # what is imported once does not count
    started = time.process_time()
    error = refusal(path)
    assert time.process_time() - started < 1
    assert [each.line for each in error.complaints] == [9 + 7 * number for number in range(300)]
    assert {each.hint for each in error.complaints} == {"did you mean `exclude`?"}
