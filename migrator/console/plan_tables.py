"""What a plan would do: what moves where, how much of it, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from migrator.console.messages import show, show_findings, show_next
from migrator.console.rows import Column, Row, show_rows
from migrator.console.tables import abort_lines
from migrator.console.wording import count_text, printable, size_text
from migrator.domain.reports import DatasetForecast, PlannedApplication, PlanReport
from migrator.domain.rules import Rule

_VOLUMES = (
    Column("DATASET"),
    Column("ITEMS", is_number=True),
    Column("SIZE", is_number=True),
    Column("TO COPY", is_number=True),
    Column("BYTES", is_number=True),
    Column("DELETE", is_number=True),
    Column("EXCLUDE", is_number=True),
)
_ORDER = (Column("APPLICATION"), Column("WAVE"), Column("PHASE"))
_RULES = (Column("RULE"), Column("SEVERITY"))
_GATE = "gate: "


def show_plan(pen: Console, report: PlanReport) -> None:
    """The volumes, the order with its gates, the findings, how the plan changed, the next command."""
    head = Text.assemble(("plan ", "bold"), (printable(report.migration), "bold"), f" {report.digest[:12]}")
    show(pen, head.append(_recorded(report)))
    for change in report.changes:
        show(pen, Text(f"  changed: {printable(change)}", style="yellow"))
    if report.applications:
        show(pen, "")
        show_rows(pen, _VOLUMES, list(_volumes(report, pen.width)))
        show(pen, "")
        show_rows(pen, _ORDER, list(_order(report.applications)))
    if report.times:
        show(pen, "")
    for times in report.times:
        show(pen, printable(times.sentence))
    for remark in _remarks(report):
        show(pen, "")
        show(pen, remark)
    if report.findings:
        show(pen, "")
        show_findings(pen, report.findings)
    show_next(pen, report.next_command)


def show_rules(pen: Console, rules: Sequence[Rule]) -> None:
    """The preflight rules, in order; below each, when it speaks."""
    rows = [Row([Text(rule.id), Text(rule.severity)], [Text(rule.summary)]) for rule in rules]
    show_rows(pen, _RULES, rows)


def _recorded(report: PlanReport) -> str:
    if report.recorded_digest is None:
        return " (not recorded yet)"
    if report.recorded_digest == report.digest:
        return " (as recorded)"
    return f" (differs from the recorded {report.recorded_digest[:12]})"


def _remarks(report: PlanReport) -> Iterator[str]:
    if report.is_offline:
        yield "No host was contacted: volumes are not known, and nothing was checked at the endpoints."
    if not report.has_work:
        yield "Nothing is left to do."


def _volumes(report: PlanReport, width: int) -> Iterator[Row]:
    for application in report.applications:
        for forecast in application.datasets:
            name = Text(f"{printable(application.name)}/{printable(forecast.name)}")
            yield Row([name, *_figures(forecast)], _route(forecast, width))


def _figures(forecast: DatasetForecast) -> list[Text]:
    return [
        Text(count_text(forecast.items)),
        Text(size_text(forecast.size_bytes)),
        Text(count_text(forecast.to_copy_items)),
        Text(size_text(forecast.to_copy_bytes)),
        Text(count_text(forecast.to_delete_items)),
        Text(count_text(forecast.excluded_items)),
    ]


def _route(forecast: DatasetForecast, width: int) -> list[Text]:
    """From where to where; on two lines where one is too short."""
    source = _place(forecast.source, forecast.source_lane)
    target = Text("-> ").append_text(_place(forecast.target, forecast.target_lane))
    one = Text(" ").join([source, target])
    return [one] if one.cell_len <= width - 4 else [source, target]


def _place(location: str, lane: str | None) -> Text:
    return Text(printable(location)) if lane is None else Text(f"{printable(location)} ({printable(lane)})")


def _order(applications: tuple[PlannedApplication, ...]) -> Iterator[Row]:
    for number, application in enumerate(applications, start=1):
        name = Text(f"{number:>2}. {printable(application.name)}")
        steps = [_step(step) for step in application.steps] or [Text("nothing is left to do")]
        limit = [] if application.cutover_limit is None else list(abort_lines(application.cutover_limit))
        cells = [name, Text(printable(application.wave)), Text(application.phase.value)]
        yield Row(cells, [Text(", ").join(steps), *limit])


def _step(step: str) -> Text:
    """A gate stands in brackets: people must say yes there."""
    if step.startswith(_GATE):
        return Text(f"[{printable(step.removeprefix(_GATE))}]", style="bold yellow")
    return Text(printable(step))
