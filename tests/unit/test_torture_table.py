"""The table of the torture: a line a row, and an exit code that tells whether anything was violated."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from torture import __main__ as command
from torture.rows import MODULES, Options, Outcome, Row, all_rows


def sound(options: Options) -> Outcome:
    (options.folder / "made").touch()
    return Outcome(options.count(1000), words=f"seed {options.seed}")


def violated(options: Options) -> Outcome:
    return Outcome(3, ("kill 2: a file is missing",))


def broken(options: Options) -> Outcome:
    raise FileNotFoundError("mkfs")


ROWS = {name: Row(name, f"about {name}", run) for name, run in (("a", sound), ("b", violated), ("c", broken))}


def table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, list[str], str]:
    monkeypatch.setattr(command, "all_rows", lambda: ROWS)
    monkeypatch.setattr(sys, "argv", ["torture", *arguments])
    with pytest.raises(SystemExit) as end:
        command.main()
    assert isinstance(end.value.code, int)
    said = capsys.readouterr()
    return end.value.code, said.out.splitlines(), said.err


def test_what_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--rows", "a", "--stride", "10", "--seed", "7", "--folder", str(tmp_path))
    code, lines, errors = table(monkeypatch, capsys, *arguments)
    assert (code, errors, lines[2:]) == (0, "", ["| a | 100 | 0 | 0 | seed 7 |"])
    assert list(tmp_path.iterdir()) == [], "its folder was left behind"


def test_what_is_violated_or_breaks_off(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, errors = table(monkeypatch, capsys)
    assert code == 1
    assert lines[2:] == ["| a | 1,000 | 0 | 0 | seed 1 |", "| b | 3 | 1 | 0 |  |", "| c | 0 | 1 | 0 |  |"]
    assert "b: kill 2: a file is missing" in errors
    assert "c: broke off: FileNotFoundError: mkfs" in errors


def test_a_row_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = table(monkeypatch, capsys, "--rows", "d")
    assert code == 2
    assert "there is no row `d`" in errors


def test_every_module_has_rows_with_names_of_their_own() -> None:
    assert MODULES
    assert all(row.about for row in all_rows().values())
