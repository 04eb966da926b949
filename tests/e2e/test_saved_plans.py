"""Saved plans: reviewed as a file, carried out exactly, refused once they no longer hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from migrator import planfile
from migrator.errors import PlanInvalid
from tests.support.cli import Cli
from tests.support.moves import NAME, Move
from tests.support.trees import build_many


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_many(bytes(move.source), 10)
    return move


@pytest.fixture
def cli(move: Move) -> Cli:
    return move.cli()


@pytest.fixture
def saved(cli: Cli, tmp_path: Path) -> Path:
    cli("plan", "--out", str(tmp_path / "saved.json"))
    return tmp_path / "saved.json"


def test_what_was_saved_is_carried_out_and_goes_on_after_every_stop(cli: Cli, saved: Path) -> None:
    cli("run", "--saved", str(saved), "--until", "seeded")
    cli("approve", "freeze")
    shown = cli("plan", "--saved", str(saved)).stdout
    assert "no longer holds" not in shown
    assert shown.endswith(f"next: migrator run {cli.plan} --saved {saved}\n")
    cli("run", "--saved", str(saved), "--yes")
    assert cli.phases() == {NAME: "switched-over"}


def test_a_run_of_another_kind_in_between_is_told_and_refused(cli: Cli, saved: Path, move: Move) -> None:
    cli("run", "--until", "seeded")
    told = cli("run", "--saved", str(saved), "--yes", expect=7)
    assert f"`{NAME}` was `planned`, and is `seeded`" in told.stderr
    assert not move.frozen.exists()
    shown = cli("plan", "--saved", str(saved))
    assert "the saved plan no longer holds" in shown.stdout
    assert "preflight, seed" in shown.stdout, "what was saved is still shown"
    assert shown.stdout.endswith(f"next: migrator plan {cli.plan}\n")


def test_a_pass_that_moves_no_phase_makes_it_stale_as_well(cli: Cli, tmp_path: Path) -> None:
    cli("run", "--until", "seeded")
    cli("plan", "--out", str(tmp_path / "later.json"))
    cli("run", "--until", "seeded")
    told = cli("run", "--saved", str(tmp_path / "later.json"), expect=7)
    assert f"`{NAME}` was worked on since" in told.stderr


def test_another_run_ends_that_a_saved_plan_goes_on(cli: Cli, saved: Path) -> None:
    cli("run", "--saved", str(saved), "--until", "seeded")
    cli("run", "--until", "seeded")
    cli("run", "--saved", str(saved), expect=7)


def test_a_changed_plan_is_told_in_words(cli: Cli, saved: Path) -> None:
    text = cli.plan.read_text(encoding="utf-8")
    cli.plan.write_text(text.replace("name: july", "name: july\n  parallel: 2"), encoding="utf-8")
    told = cli("run", "--saved", str(saved), expect=7)
    assert "the plan changed: wave `july`: parallel" in told.stderr
    assert not cli.state.exists(), "a refusal records nothing"


def test_a_file_that_is_not_what_was_written_is_refused(cli: Cli, saved: Path) -> None:
    text = saved.read_text(encoding="utf-8")
    spoilt = {
        text.replace('"phase": "planned"', '"phase": "seeded"'): "damaged, or was edited",
        text[: len(text) // 2]: "is not a saved plan",
        '{"planned": []}': "is not a saved plan",
        text.replace('"saved_plan": 1', '"saved_plan": 2'): "saved in format '2'",
        "[" * 100_000: "is not a saved plan",
    }
    for content, said in spoilt.items():
        saved.write_text(content, encoding="utf-8")
        with pytest.raises(PlanInvalid, match=said) as caught:
            planfile.load_saved(saved)
        assert caught.value.hint
    assert "is not a saved plan" in cli("run", "--saved", str(saved), expect=11).stderr
    assert "is not a saved plan" in cli("plan", "--saved", str(saved), expect=11).stderr
    assert not cli.state.exists()


def test_layout_does_not_count_and_two_looks_are_written_alike(cli: Cli, saved: Path, tmp_path: Path) -> None:
    cli("plan", "--out", str(tmp_path / "again.json"))
    first, second = (json.loads(path.read_text(encoding="utf-8")) for path in (saved, tmp_path / "again.json"))
    assert list(first) == list(second)
    differing = {key for key in first if first[key] != second[key]}
    assert differing == {"saved_at", "digest"}
    saved.write_text(json.dumps(first), encoding="utf-8")
    cli("run", "--saved", str(saved), "--until", "checked")


def test_two_saved_plans_are_compared_in_words(cli: Cli, saved: Path, move: Move, tmp_path: Path) -> None:
    cli("run", "--until", "seeded")
    (move.source / "new").write_bytes(b"12345")
    later = tmp_path / "later.json"
    cli("plan", "--out", str(later))
    said = cli("plan", "--saved", str(later), "--compare", str(saved)).stdout
    assert f"`{NAME}` was `planned`, and is `seeded`" in said
    assert "no longer to be done: preflight, seed" in said
    assert "items became" in said
    same = cli("plan", "--saved", str(later), "--compare", str(later)).stdout
    assert same == "nothing differs\n"


def test_nothing_is_written_over(cli: Cli, saved: Path) -> None:
    before = saved.read_bytes()
    cli("plan", "--out", str(saved), expect=2)
    assert saved.read_bytes() == before
