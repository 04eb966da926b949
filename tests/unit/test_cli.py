"""How a command line becomes a call, and how its end becomes an exit code; what is called is a stand-in here."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import migrator
from migrator.__main__ import main
from migrator.bootstrap import Asked, ClosePapers, PreviewOptions, RunOptions, Selection
from migrator.cli.app import COMMANDS
from migrator.cli.later import LATER
from migrator.domain.entries import Class, Item, Kind
from migrator.domain.phases import Gate, Phase
from migrator.domain.reports import Finding, PlannedApplication, PlanReport, WaveReport
from migrator.errors import (
    Complaint,
    EndpointUnavailable,
    Held,
    Incomplete,
    Interrupted,
    LocalFault,
    MigratorError,
    PlanChanged,
    PlanInvalid,
    Refused,
    SafetyStop,
    WindowOver,
)

PLAN = types.SimpleNamespace(timezone="Europe/Paris", added_gates=(), applications=())
ROW = Item("files", b"a", Kind.FILE, 5, 1, Class.VERIFIED, 9, None, None, None)


class Bootstrap(types.ModuleType):
    """Notes its calls; raises or returns what the test wants."""

    def __init__(self) -> None:
        super().__init__("migrator.bootstrap")
        vars(self).update(
            Asked=Asked,
            ClosePapers=ClosePapers,
            Selection=Selection,
            RunOptions=RunOptions,
            PreviewOptions=PreviewOptions,
        )
        self.calls: list[tuple[Any, ...]] = []
        self.error: BaseException | None = None
        self.code = 0
        self.findings: list[Finding] = []
        self.steps: tuple[str, ...] = ("seed",)

    def _call(self, *call: Any) -> WaveReport:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        return WaveReport(call[0], (), self.code, None)

    def _plan_report(self) -> PlanReport:
        planned = PlannedApplication("portal", "july", "eau", Phase.CHECKED, (), self.steps)
        return PlanReport("m", "d", None, (), (planned,), tuple(self.findings), False, None, self.code)

    def load(self, path: Path) -> Any:
        self.calls.append(("load", path))
        return PLAN

    def run(self, plan: Any, selection: Selection, options: RunOptions, state: Path, on_event: Any) -> WaveReport:
        return self._call("run", selection, options, state)

    def dry_run(
        self, plan: Any, selection: Selection, options: RunOptions, state: Path
    ) -> tuple[PlanReport, tuple[()]]:
        self._call("dry_run", selection, options, state)
        return self._plan_report(), ()

    def preview(self, plan: Any, selection: Any, options: PreviewOptions, state: Path, on_event: Any) -> PlanReport:
        self._call("preview", selection, options, state)
        return self._plan_report()

    def verify(self, plan: Any, selection: Selection, *, full: bool, state: Path, on_event: Any) -> WaveReport:
        return self._call("verify", selection, full, state)

    def roll_back(self, plan: Any, selection: Selection, *, yes: bool, state: Path, on_event: Any) -> WaveReport:
        return self._call("roll_back", selection, yes, state)

    def accept(self, plan: Any, selection: Selection, *, state: Path, on_event: Any) -> WaveReport:
        return self._call("accept", selection, state)

    def status(self, plan: Any, state: Path) -> WaveReport:
        return self._call("status", state)

    def approve(self, asked: Asked, key: Path | None) -> tuple[str, ...]:
        self._call("approve", asked, key)
        return ("portal",)

    def decommission(
        self, plan: Any, selection: Selection, papers: ClosePapers, *, state: Path, on_event: Any
    ) -> WaveReport:
        return self._call("decommission", selection, papers, state)

    def export(self, plan: Any, state: Path) -> Iterator[tuple[str, Item]]:
        self._call("export", state)
        yield "portal", ROW

    def doctor(self, state: Path) -> list[Finding]:
        self._call("doctor", state)
        return self.findings

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


@pytest.fixture(autouse=True)
def bootstrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bootstrap:
    stand_in = Bootstrap()
    monkeypatch.setitem(sys.modules, "migrator.bootstrap", stand_in)
    monkeypatch.setattr(migrator, "bootstrap", stand_in, raising=False)
    monkeypatch.delenv("MIGRATOR_STATE", raising=False)
    monkeypatch.chdir(tmp_path)
    return stand_in


STATE = Path("state")


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("run p.yaml", ("run", Selection(), RunOptions(), STATE)),
        (
            "run p.yaml --wave july --application portal --until switched-over --yes --adopt",
            ("run", Selection("july", "portal"), RunOptions(Phase.SWITCHED_OVER, yes=True, adopt=True), STATE),
        ),
        ("run p.yaml --dry-run --until seeded", ("dry_run", Selection(), RunOptions(Phase.SEEDED), STATE)),
        (
            "plan p.yaml --wave july --offline --accept-changes",
            ("preview", Selection("july"), PreviewOptions(offline=True, accept_changes=True), STATE),
        ),
        ("verify p.yaml --full", ("verify", Selection(), True, STATE)),
        ("verify p.yaml", ("verify", Selection(), False, STATE)),
        ("roll-back p.yaml --yes --application portal", ("roll_back", Selection(None, "portal"), True, STATE)),
        ("accept p.yaml --wave july", ("accept", Selection("july"), STATE)),
        (
            "decommission p.yaml --application portal --attestation letter.pdf --out lists",
            ("decommission", Selection(None, "portal"), ClosePapers(Path("letter.pdf"), Path("lists")), STATE),
        ),
        ("status p.yaml --state here", ("status", Path("here"))),
        ("--state there status p.yaml", ("status", Path("there"))),
        ("--state there status p.yaml --state here", ("status", Path("here"))),
        ("doctor", ("doctor", STATE)),
        ("export p.yaml", ("export", STATE)),
    ],
)
def test_a_command_calls_one_thing(bootstrap: Bootstrap, line: str, call: tuple[Any, ...]) -> None:
    assert main(line.split()) == 0
    assert bootstrap.calls[-1] == call
    if "p.yaml" in line:
        assert bootstrap.calls[0] == ("load", Path("p.yaml"))


def test_the_state_folder_comes_from_the_environment_unless_it_is_typed(
    bootstrap: Bootstrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIGRATOR_STATE", "/from/environment")
    main(["status", "p.yaml"])
    main(["--state", "typed", "status", "p.yaml"])
    assert bootstrap.calls[1::2] == [("status", Path("/from/environment")), ("status", Path("typed"))]


def test_an_approval_knows_its_gate_and_its_time_in_the_plan_s_zone(
    bootstrap: Bootstrap, capsys: pytest.CaptureFixture[str]
) -> None:
    times = ["--not-before", "2018-07-07T22:00", "--not-after", "2018-07-08T06:00+00:00"]
    assert main(["approve", "p.yaml", "switch-over", "--wave", "july", *times]) == 0
    _, asked, key = bootstrap.calls[-1]
    assert (asked.gate, asked.selection, key) == (Gate.SWITCH_OVER, Selection("july"), None)
    assert asked.not_before == dt.datetime(2018, 7, 7, 22, tzinfo=ZoneInfo("Europe/Paris"))
    assert asked.not_after == dt.datetime(2018, 7, 8, 6, tzinfo=dt.UTC)
    assert capsys.readouterr().out == "portal: gate `switch-over` approved\n"


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("", "missing command", "`migrator --help`"),
        ("rum p.yaml", "no such command `rum`", "did you mean `run`?"),
        ("run", "missing argument `PLAN`", "`migrator run --help`"),
        ("run p.yaml --wavee july", "no such option: --wavee", "did you mean `--wave`?"),
        ("run p.yaml --until seded", "no phase to stop at named `seded`", "did you mean `seeded`?"),
        ("run p.yaml --until switching", "no phase to stop at named `switching`", "`switched-over`"),
        ("approve p.yaml frieze", "no gate named `frieze`", "did you mean `freeze`?"),
        ("approve p.yaml freeze --not-before yesterday", "not `yesterday`", "2018-07-07T22:00"),
        (
            "approve p.yaml freeze --not-before 2018-07-07T22:00 --not-after 2018-07-07T21:00",
            "would end before it begins",
            "must be later",
        ),
        ("run p.yaml --saved x --adopt", "--adopt does not belong to it", "plan PLAN --saved FILE"),
        ("run p.yaml --saved x --rehearse", "--saved says nothing there", "leave it out"),
        ("run p.yaml --dry-run --until-window-ends", "looks once", "leave one of them out"),
        ("plan p.yaml --out x --offline", "bound to what was found", "`--offline`"),
        ("plan p.yaml --compare x", "`--compare` belongs to `--saved`", "OLDER"),
        ("plan p.yaml --graph dot --out x", "`--out` says nothing beside `--graph`", "leave one of them out"),
        ("plan p.yaml --saved x --wave july", "`--wave` says nothing beside `--saved`", "leave one of them out"),
        ("plan p.yaml --format junit --out x", "`--out` says nothing beside `--format`", "leave one of them out"),
        ("approve p.yaml freeze --kay x", "no such option: --kay", "did you mean `--key`?"),
        ("approve p.yaml freeze --key x --import y", "exclude each other", "one of them"),
    ],
)
def test_wrong_usage_has_an_error_and_a_hint(
    capsys: pytest.CaptureFixture[str], line: str, said: str, hint: str
) -> None:
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    error, blank, hint_line = err.splitlines()
    assert error.startswith("error: ")
    assert said in error
    assert blank == ""
    assert hint_line.startswith("hint: ")
    assert hint in hint_line


@pytest.mark.parametrize("command", [name for name, _ in COMMANDS] + [name for name, _, _ in LATER])
def test_every_help_has_the_exit_codes_and_the_common_options(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert re.findall(r"^    (\d+) +\S", shown, re.MULTILINE) == [*map(str, range(13)), "130"]
    for option in ("--state", "--json", "--verbose", "--no-color"):
        assert option in shown


@pytest.mark.parametrize("name", ["report", "audit"])
def test_what_is_not_carried_out_yet_is_refused(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main([name, "p.yaml", "--wave", "july", "--out", "x"]) == 4
    error, blank, hint = capsys.readouterr().err.splitlines()
    assert error == f"error: `{name}` is not carried out yet"
    assert (blank, hint[:6]) == ("", "hint: ")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Incomplete("x", hint="y"), 3),
        (Refused("x", hint="y"), 4),
        (WindowOver("x", hint="y"), 5),
        (Held("x", hint="y"), 6),
        (PlanChanged("x", hint="y"), 7),
        (SafetyStop("x", hint="y"), 8),
        (LocalFault("x", hint="y"), 9),
        (EndpointUnavailable("x", hint="y"), 10),
        (PlanInvalid("x", hint="y"), 11),
        (Interrupted(15), 143),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_is_two_lines_and_an_exit_code(
    bootstrap: Bootstrap, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    bootstrap.error = error
    assert main(["run", "p.yaml"]) == code
    said, blank, hint = capsys.readouterr().err.splitlines()
    message = error.message if isinstance(error, MigratorError) else "stopped as asked"
    assert (said, blank, hint[:6]) == (f"error: {message}", "", "hint: ")


def test_complaints_are_objects_for_programs(bootstrap: Bootstrap, capsys: pytest.CaptureFixture[str]) -> None:
    bootstrap.error = PlanInvalid("p", hint="h", complaints=(Complaint("p.yaml", 1, 2, "m", "h"),))
    assert main(["status", "p.yaml", "--json"]) == 11
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["complaint", "error"]


def test_a_report_s_exit_code_is_the_command_s(bootstrap: Bootstrap) -> None:
    bootstrap.code = 3
    for command in ("run", "verify", "roll-back", "accept", "status"):
        assert main([command, "p.yaml"]) == 3


def test_a_plan_with_work_or_with_errors(bootstrap: Bootstrap) -> None:
    detailed = ["plan", "p.yaml", "--detailed-exitcode"]
    assert main(["plan", "p.yaml"]) == 0
    assert main(detailed) == 12
    bootstrap.steps = ()
    assert main(detailed) == 0
    bootstrap.code = 4
    assert main(detailed) == 4
    assert main(["run", "p.yaml", "--dry-run"]) == 4


def test_an_unfit_machine_is_exit_9(bootstrap: Bootstrap, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    assert "nothing to complain about" in capsys.readouterr().out
    bootstrap.findings = [Finding("ssh", "error", "no ssh", "install it")]
    assert main(["doctor"]) == 9
    assert capsys.readouterr().out == "error: no ssh\n  hint: install it\n"


def test_a_bug_leaves_its_traceback_where_it_is_told(
    bootstrap: Bootstrap, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    bootstrap.error = ZeroDivisionError("boom")
    assert main(["run", "p.yaml"]) == 1
    error, _, hint = capsys.readouterr().err.splitlines()
    assert error == "error: a bug in migrator: ZeroDivisionError: boom"
    (log,) = state.iterdir()
    assert str(log.relative_to(tmp_path)) in hint
    assert "Traceback" in log.read_text(encoding="utf-8")
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_bug_before_there_is_a_state_creates_none(
    bootstrap: Bootstrap, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    bootstrap.error = ZeroDivisionError("boom")
    assert main(["run", "p.yaml", "-v"]) == 1
    assert os.listdir(tmp_path) == ["temp"]
    assert len(os.listdir(tmp_path / "temp")) == 1
    assert "Traceback" in capsys.readouterr().err


def test_export_and_schema_print_data_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "p.yaml"]) == 0
    assert json.loads(capsys.readouterr().out)["class"] == "verified"
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == {"type": "object"}
