"""Kinds of switch that other packages bring, from the plan to the switch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move
from tests.support.packages import install_example, with_package, write_package

WHOLE = """\
from pathlib import Path
class Kind:
    def __init__(self, settings, hands):
        self.flag = Path(settings["flag"])
    def probe(self):
        return self.flag.exists()
    def apply(self):
        self.flag.touch()
    def undo(self, prepared):
        self.flag.unlink()
"""


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    move.source.mkdir()
    (move.source / "index.html").write_text("Bienvenue")
    return move


def cli_with(move: Move, program: str, **settings: str) -> Cli:
    """A plan whose one switch is of the kind that `program` brings."""
    cli = move.cli(switch=[{"lever": {"flag": str(move.switched), **settings}}])
    return with_package(cli, write_package(move.folder / "packages", "lever", program))


def test_the_documented_example_switches_over(move: Move) -> None:
    pool = move.folder / "pool"
    pool.write_text("legacy\n")
    cli = move.cli(switch=[{"pool-file": {"file": str(pool), "pool": "dc18"}}])
    cli = with_package(cli, install_example(move.folder))
    cli("plan")
    outcome = cli("run", "--until", "switched-over", "--yes", "--json")
    assert cli.phases() == {NAME: "switched-over"}
    assert pool.read_text() == "dc18\n"
    noted = [(event["verb"], event["answer"]) for event in outcome.events("effect.noted") if "pool" in event["effect"]]
    assert noted == [("probe", "not in place"), ("apply", "done"), ("probe", "in place")]


def test_its_complaint_has_line_and_column(move: Move) -> None:
    cli = move.cli(switch=[{"pool-file": {"file": "pool", "pool": "dc18"}}])
    outcome = with_package(cli, install_example(move.folder))("plan", "--offline", expect=11)
    line, column = next(
        (number, text.index("file:") + 1)
        for number, text in enumerate(cli.plan.read_text().splitlines(), start=1)
        if "file: pool" in text
    )
    assert f"plan.yaml:{line}:{column}" in outcome.stderr
    assert "`pool-file` needs `file`, an absolute path" in outcome.stderr
    assert "migrator-pool-file 1.0" in outcome.stderr


def test_a_kind_that_nobody_brings_is_unknown(move: Move) -> None:
    outcome = move.cli(switch=[{"pool-file": {"pool": "dc18"}}])("plan", "--offline", expect=11)
    assert "unknown key `pool-file`" in outcome.stderr
    outcome = cli_with(move, WHOLE)("plan", "--offline")
    text = (move.folder / "plan.yaml").read_text()
    (move.folder / "plan.yaml").write_text(text.replace("lever:", "levr:"))
    misspelt = with_package(Cli(move.folder / "plan.yaml", move.folder / "state", {}), move.folder / "packages")
    assert "did you mean `lever`?" in misspelt("plan", "--offline", expect=11).stderr


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (WHOLE.replace("def probe", "def prove"), "has no `probe`: every switch can be applied"),
        ("raise RuntimeError('broken')", "is not fit for use: RuntimeError: broken"),
        ("import no_such_module", "is not fit for use: ModuleNotFoundError"),
        ("raise SystemExit(0)", "is not fit for use: SystemExit: 0"),
        ("", "is not fit for use: AttributeError"),
    ],
)
def test_a_kind_that_cannot_be_relied_on_is_refused_by_plan(move: Move, program: str, said: str) -> None:
    outcome = cli_with(move, program)("plan", "--offline", expect=11)
    assert f"`lever` {said}" in outcome.stderr
    assert "lever 1.0" in outcome.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "self.flag.touch()",
            "raise ValueError('the lever is stuck')",
            "`apply` of switch 1 (lever) of `portail` failed",
        ),
        ("self.flag.touch()", "raise SystemExit(0)", "`apply` of switch 1 (lever) of `portail` failed: SystemExit"),
        ("return self.flag.exists()", "return 1 / 0", "`probe` of switch 1 (lever) of `portail` failed"),
        ("return self.flag.exists()", "return 'yes'", "returned str, not True, False or None"),
        ("self.flag.touch()", "raise TimeoutError('the lever sleeps')", "failed: TimeoutError: the lever sleeps"),
        ("return self.flag.exists()", "return None", "cannot be probed"),
        ("self.flag.touch()", "import time; time.sleep(60)", "did not end within 1 s"),
    ],
)
def test_whatever_its_code_does_the_run_ends_in_good_order(move: Move, old: str, new: str, said: str) -> None:
    cli = cli_with(move, WHOLE.replace(old, new), timeout="1 s")
    outcome = cli("run", "--until", "switched-over", "--yes", expect=4)
    assert said in outcome.stderr
    assert "Traceback" not in outcome.stderr + outcome.stdout
    assert "lever 1.0" in outcome.stderr or "cannot be probed" in said
    # A probe fails before the intent, with which a switch begins.
    assert cli.phases() == {NAME: "verified" if old.startswith("return") else "switching"}
    (move.folder / "packages" / "lever.py").write_text(WHOLE)
    cli("run", "--until", "switched-over", "--yes")
    assert move.switched.exists()
