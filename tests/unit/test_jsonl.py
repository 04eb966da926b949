"""The JSON twin: what programs read."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import threading
import typing
from typing import Any

import pytest

from migrator.console.export import export_form, write_rows
from migrator.console.jsonl import JsonLines, event_form
from migrator.console.output import Output
from migrator.console.programs import ProgramScreen
from migrator.console.screen import Look
from migrator.domain.entries import Class, Item, Kind
from migrator.domain.events import Event, ItemChanged, ItemDeleted, Note, RunEnded, RunStarted, StepEnded
from migrator.domain.phases import Gate, Phase
from migrator.domain.reports import ApplicationReport, Attempt, Tally, WaveReport
from migrator.errors import Complaint, PlanInvalid

NOON = dt.datetime(2018, 7, 7, 12, 0, 0, 123456, tzinfo=dt.timezone(dt.timedelta(hours=2)))
RAW = b"caf\xe9\x1b[0m\\"


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_item_is_named_twice_and_its_number_is_not_the_line_s() -> None:
    stream = io.StringIO()
    lines = JsonLines(Output(stream), lambda: NOON)
    lines(ItemChanged("portal", "files", RAW, Kind.FILE, 12, Class.VERIFIED, 77, b"\xab" * 32))
    assert lines_of(stream) == [
        {
            "event": "item.verified",
            "at": "2018-07-07T10:00:00.123Z",
            "seq": 1,
            "application": "portal",
            "dataset": "files",
            "path": "caf\\xe9\\x1b[0m\\\\",
            "path_b64": base64.b64encode(RAW).decode(),
            "kind": "file",
            "size_bytes": 12,
            "class": "verified",
            "item_seq": 77,
            "sha256": "ab" * 32,
            "reason": None,
        }
    ]


@pytest.mark.parametrize("kind", typing.get_args(Event), ids=lambda kind: str(kind.__name__))
def test_every_event_has_a_json_form(kind: type[Any]) -> None:
    values: dict[str, Any] = {
        "path": RAW,
        "sha256": b"x",
        "state": Class.FAILED,
        "applications": ("a", "b"),
        **dict.fromkeys(("frozen_at", "ends_at", "switch_by", "abort_by"), NOON),
    }
    event = kind(**{name: values.get(name, 1) for name in kind.__slots__})
    form = json.loads(json.dumps(event_form(event)))
    shown = {"path": "path_b64", "seq": "item_seq", "state": "class"}
    assert {shown.get(name, name) for name in kind.__slots__} <= set(form)
    assert isinstance(event.event, str)


def test_each_line_is_numbered_whichever_thread_writes_it() -> None:
    stream = io.StringIO()
    lines = JsonLines(Output(stream))

    def delete() -> None:
        for _ in range(200):
            lines(ItemDeleted("portal", "files", b"x" * 300))

    threads = [threading.Thread(target=delete) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [line["seq"] for line in lines_of(stream)] == list(range(1, 801))


def report(code: int = 0) -> WaveReport:
    tally = Tally({Class.VERIFIED: 2, Class.EXCLUDED: 1}, {Class.VERIFIED: 30}, foreign=4)
    attempt = Attempt("verify", NOON, None, "cut off", "r1")
    standing = ApplicationReport(
        "portal",
        "july",
        "eau",
        Phase.FROZEN,
        "approval",
        Gate.SWITCH_OVER,
        12.5,
        attempt,
        tally,
        code,
        "no",
        "do",
        ("d",),
    )
    done = ApplicationReport("book", "july", "eau", Phase.ACCEPTED, None, None, None, None, tally)
    return WaveReport("run", (standing, done), code, "migrator run p.yaml")


def test_the_end_of_the_run_comes_after_its_report() -> None:
    stream = io.StringIO()
    screen = ProgramScreen(Output(stream), Output(io.StringIO()), Look(is_json=True))
    with screen.progress() as progress:
        progress(RunStarted("r1", "run", "july", ("portal",)))
        progress(RunEnded("r1", 0))
        progress(RunStarted("r2", "run", "july", ("portal",)))
        progress(RunEnded("r2", 4))
    screen.wave(report(4))
    screen.close()
    names = [line["event"] for line in lines_of(stream)]
    runs = ["run.started", "run.ended", "run.started"]
    assert names == [*runs, "application.report", "application.report", "wave.report", "run.ended"]


def test_a_run_that_breaks_off_still_tells_its_end() -> None:
    stream = io.StringIO()
    screen = ProgramScreen(Output(stream), Output(io.StringIO()), Look(is_json=True))
    with screen.progress() as progress:
        progress(RunEnded("r1", 1))
    screen.close()
    assert [line["event"] for line in lines_of(stream)] == ["run.ended"]


def test_a_report_says_all_that_the_table_says() -> None:
    stream = io.StringIO()
    ProgramScreen(Output(stream), Output(io.StringIO()), Look(is_json=True)).wave(report(3))
    standing, done, total = lines_of(stream)
    expected = {
        "application": "portal",
        "wave": "july",
        "owner": "eau",
        "phase": "frozen",
        "gate": "switch-over",
        "waits_for": "approval",
        "frozen_for_seconds": 12.5,
        "seen": 3,
        "foreign": 4,
        "exit_code": 3,
        "error": "no",
        "hint": "do",
        "differences": ["d"],
        "next": "migrator run p.yaml",
    }
    assert expected.items() <= standing.items()
    assert standing["last_attempt"]["started_at"] == "2018-07-07T10:00:00.123Z"
    assert standing["last_attempt"]["ended_at"] is None
    assert standing["counts"]["verified"] == 2
    assert sum(standing["counts"].values()) == standing["seen"]
    assert done["next"] is None
    assert (total["seen"], total["waves"], total["applications"], total["exit_code"]) == (6, ["july"], 2, 3)


def test_an_invalid_plan_is_one_object_a_complaint() -> None:
    stream, words = io.StringIO(), io.StringIO()
    screen = ProgramScreen(Output(stream), Output(words), Look(is_json=True))
    complaints = (Complaint("p.yaml", 3, 7, "no", "yes"), Complaint("p.yaml", 4, 1, "non", ""))
    screen.failure(PlanInvalid("p.yaml: 2 problems", hint="mend it", complaints=complaints))
    first, second, error = lines_of(stream)
    assert (first["event"], first["line"], first["column"], first["hint"]) == ("complaint", 3, 7, "yes")
    assert second["message"] == "non"
    assert (error["event"], error["exit_code"], error["message"]) == ("error", 11, "p.yaml: 2 problems")
    assert "p.yaml:3:7: no" in words.getvalue()


ROW = Item("files", RAW, Kind.FILE, 5, 1530957600123456789, Class.VERIFIED, 9, b"\x01" * 32, "both read", None)


def test_an_export_row_has_exactly_the_promised_keys_in_order() -> None:
    keys = "application dataset path path_b64 kind size_bytes mtime_ns class seq sha256 verified_by reason"
    form = export_form("portal", ROW)
    assert list(form) == keys.split()
    assert base64.b64decode(form["path_b64"]) == RAW
    assert form["mtime_ns"] == 1530957600123456789


def test_json_stays_valid_where_the_terminal_speaks_latin_1() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="latin-1", errors="backslashreplace")
    write_rows(Output(stream), [("portal", ROW._replace(path="œuvre".encode()))])
    assert json.loads(raw.getvalue())["path"] == "œuvre"


def test_utf_8_names_stay_readable() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    JsonLines(Output(stream))(Note("café"))
    stream.seek(0)
    assert '"sentence":"café"' in stream.read()


def test_a_step_tells_where_the_application_stands_now() -> None:
    form = event_form(StepEnded("portal", "seed", Phase.SEEDED, 1.5, "no"))
    assert form == {"application": "portal", "step": "seed", "phase": "seeded", "seconds": 1.5, "error": "no"}
