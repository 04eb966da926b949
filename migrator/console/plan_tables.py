"""What a plan would do: what moves where, how much of it, in which order."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from migrator.console.messages import show, show_findings, show_next
from migrator.console.tables import plain_table
from migrator.console.wording import count_text, printable, size_text
from migrator.domain.reports import DatasetForecast, PlannedApplication, PlanReport

# Below this width, where a dataset comes from and where it goes stand one below the other.
_WIDE_COLUMNS = 110
_GATE = "gate: "


def show_plan(pen: Console, report: PlanReport) -> None:
    """The volumes, the order with its gates, the findings, how the plan changed, the next command."""
    show(
        pen, Text.assemble(("plan ", "bold"), printable(report.migration), f" {report.digest[:12]}", _recorded(report))
    )
    for change in report.changes:
        show(pen, Text(f"  changed: {printable(change)}", style="yellow"))
    if report.applications:
        show(pen, "")
        pen.print(_volumes(report.applications, is_wide=pen.width >= _WIDE_COLUMNS))
        show(pen, "")
        pen.print(_order(report.applications))
    if report.is_offline:
        show(pen, "")
        show(pen, "No host was contacted: volumes are not known, and nothing was checked at the endpoints.")
    if report.findings:
        show(pen, "")
        show_findings(pen, report.findings)
    if not report.has_work:
        show(pen, "")
        show(pen, "Nothing is left to do.")
    show_next(pen, report.next_command)


def _recorded(report: PlanReport) -> str:
    if report.recorded_digest is None:
        return " (not recorded yet)"
    if report.recorded_digest == report.digest:
        return " (as recorded)"
    return f" (differs from the recorded {report.recorded_digest[:12]})"


def _volumes(applications: tuple[PlannedApplication, ...], *, is_wide: bool) -> Table:
    route = (("FROM", False), ("TO", False)) if is_wide else (("FROM / TO", False),)
    table = plain_table(
        ("DATASET", False), *route, ("ITEMS", True), ("TO COPY", True), ("TO DELETE", True), ("EXCLUDED", True)
    )
    for application in applications:
        for forecast in application.datasets:
            name = Text(f"{printable(application.name)}/{printable(forecast.name)}")
            source, target = (
                _place(forecast.source, forecast.source_lane),
                _place(forecast.target, forecast.target_lane),
            )
            places = (source, target) if is_wide else (Text("\n").join([source, target]),)
            table.add_row(name, *places, *_figures(forecast))
    return table


def _place(location: str, lane: str | None) -> Text:
    return Text(printable(location)) if lane is None else Text(f"{printable(location)} ({printable(lane)})")


def _figures(forecast: DatasetForecast) -> tuple[str, str, str, str]:
    return (
        f"{count_text(forecast.items)}\n{size_text(forecast.size_bytes)}",
        f"{count_text(forecast.to_copy_items)}\n{size_text(forecast.to_copy_bytes)}",
        count_text(forecast.to_delete_items),
        count_text(forecast.excluded_items),
    )


def _order(applications: tuple[PlannedApplication, ...]) -> Table:
    table = plain_table(
        ("ORDER", True), ("APPLICATION", False), ("WAVE", False), ("PHASE", False), ("STEPS LEFT", False)
    )
    for number, application in enumerate(applications, start=1):
        table.add_row(
            str(number),
            Text(printable(application.name)),
            Text(printable(application.wave)),
            Text(application.phase.value),
            Text(", ").join(_step(step) for step in application.steps) if application.steps else Text("none"),
        )
    return table


def _step(step: str) -> Text:
    if step.startswith(_GATE):
        return Text(f"[{printable(step.removeprefix(_GATE))}]", style="bold yellow")
    return Text(printable(step))
