"""What may stay behind: only by name, for a reason, with an approval of its own; and it stays in the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move

REASON = "points into the provider's network; the owner wants it gone"
LINK = {"dataset": "files", "path": "odd\\xff", "reason": REASON}
FOLDER = {"dataset": "files", "path": "broken", "reason": "beyond repair"}


@pytest.fixture
def move(tmp_path: Path) -> Move:
    """A tree of which a link, with a name that is no text, and a folder of links cannot be moved."""
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    (move.source / "broken" / "below").mkdir(parents=True)
    (move.source / "fine").write_text("content")
    (move.source / "broken" / "below" / "link").symlink_to("x")
    Path(str(move.source).encode().decode() + "/odd\udcff").symlink_to("elsewhere")
    return move


def with_waivers(move: Move, *waivers: dict[str, str], **more: Any) -> Cli:
    return move.cli(dataset={"symlinks": "refuse"}, waive=list(waivers), **more)


def test_what_fails_holds_the_switch_until_each_item_is_waived_and_that_approved(move: Move) -> None:
    cli = with_waivers(move)
    cli("run", "--yes", expect=3)
    for waivers in ([FOLDER], [FOLDER, LINK]):
        assert move.is_untouched
        cli = with_waivers(move, *waivers)
        cli("run", "--yes", expect=7)
        cli("plan", "--accept-changes")
        cli("run", "--yes", expect=3 if len(waivers) == 1 else 0)
    assert cli.phases() == {NAME: "verified"}, "`--yes` waives nothing"
    assert move.is_untouched
    assert "with 2 waived by name" in cli("status").stdout
    assert REASON in cli("approve", "switch-over").stdout
    cli("run", "--yes")
    assert move.is_switched_over

    items = {item["path"]: item for item in cli.items()}
    assert items["odd\\xff"]["class"] == "waived"
    assert items["odd\\xff"]["reason"] == REASON
    assert items["broken/below/link"]["class"] == "waived", "what is below a waived folder is waived with it"
    assert items["fine"]["class"] == "verified"
    counts = cli.applications()[NAME]["counts"]
    assert counts["waived"] == 4
    assert counts["verified"] == 2
    assert not (move.target / "broken" / "below" / "link").is_symlink()


def test_a_waiver_that_is_taken_back_holds_the_switch_again(move: Move) -> None:
    cli = with_waivers(move, FOLDER, LINK)
    cli("run", "--yes", "--until", "verified")
    cli = with_waivers(move, LINK)
    cli("plan", "--accept-changes")
    cli("approve", "switch-over")
    assert "files/broken" in cli("run", "--yes", expect=4).stderr
    assert cli.phases() == {NAME: "frozen"}
    assert move.is_untouched


def test_waived_items_may_change_and_come_and_go_under_freeze(move: Move) -> None:
    cli = with_waivers(move, FOLDER, LINK)
    cli("run", "--yes", "--until", "verified")
    (move.source / "broken" / "new").write_text("nobody cares")
    (move.source / "broken" / "below" / "link").unlink()
    cli("approve", "switch-over")
    cli("run", "--yes")
    assert move.is_switched_over


def test_without_a_switch_a_waiver_needs_its_approval_all_the_same(move: Move) -> None:
    cli = with_waivers(move, FOLDER, LINK, switch=[])
    findings = cli("plan", "--offline", "--json").events("finding")
    assert f"`files/odd\\xff` may stay behind unverified: {REASON}" in [each["sentence"] for each in findings]
    cli("run", "--yes")
    assert cli.phases() == {NAME: "verified"}
    cli("approve", "switch-over")
    cli("run")
    assert cli.phases() == {NAME: "switched-over"}


@pytest.mark.parametrize(
    ("waiver", "complaint"),
    [
        ({**LINK, "dataset": "fils"}, "did you mean `files`?"),
        ({**LINK, "path": "a/../b"}, "below the dataset's root"),
        ({**LINK, "path": "/a"}, "below the dataset's root"),
        ({**LINK, "path": "a\\q"}, "a backslash is written twice"),
        ({"dataset": "files", "path": "a"}, "reason"),
    ],
)
def test_a_waiver_names_an_item_and_a_reason(waiver: dict[str, str], complaint: str, move: Move) -> None:
    assert complaint in with_waivers(move, waiver)("plan", "--offline", expect=11).stderr


def test_no_item_is_waived_twice(move: Move) -> None:
    assert "waived twice" in with_waivers(move, LINK, LINK)("plan", "--offline", expect=11).stderr


def test_a_fall_back_says_that_it_knows_nothing_of_waived_items_and_never_loses_them_in_silence(move: Move) -> None:
    cli = with_waivers(move, FOLDER, LINK, fall_back={"source_write": True})
    cli("run", "--yes", expect=0)
    cli("approve", "switch-over")
    cli("run", "--yes")
    assert move.is_switched_over
    (move.target / "broken").mkdir(exist_ok=True)
    (move.target / "broken" / "new.txt").write_text("what a user wrote there")

    refused = cli("fall-back", "--yes", expect=4)
    assert "`files/broken`" in refused.stderr
    assert "--accept-loss" in refused.stderr
    assert move.is_switched_over

    cli("fall-back", "--accept-loss", "--yes", expect=4)
    cli("approve", "accept-loss")
    given_up = cli("fall-back", "--accept-loss", "--yes")
    assert "what users wrote at waived paths" in given_up.stderr + given_up.stdout
    assert cli.phases() == {NAME: "seeded"}
    assert (move.source / "broken" / "below" / "link").is_symlink(), "nothing that was waived is touched at the source"
    assert not (move.source / "broken" / "new.txt").exists()
