"""Reports as JSON objects: the twins of the tables."""

from __future__ import annotations

import datetime as dt
from typing import Any

from migrator.console.jsonl import moment_text, path_form
from migrator.domain.entries import Class
from migrator.domain.phases import Phase
from migrator.domain.reports import (
    ApplicationReport,
    Attempt,
    CheckOutcome,
    CutoverLimit,
    DatasetForecast,
    Finding,
    LiveLimit,
    PlannedApplication,
    PlanReport,
    PutOff,
    RehearsalReport,
    Tally,
    WaveReport,
    WaveTimes,
)


def application_form(report: ApplicationReport, next_command: str | None) -> dict[str, Any]:
    """Where one application stands; `next` is None once nothing is left to do for it."""
    return {
        "application": report.name,
        "wave": report.wave,
        "owner": report.owner,
        "phase": report.phase,
        "gate": report.gate,
        "waits_for": report.waits_for,
        "frozen_for_seconds": report.frozen_for_seconds,
        "last_attempt": None if report.last_attempt is None else _attempt_form(report.last_attempt),
        **_tally_form(report.tally),
        "exit_code": report.exit_code,
        "error": report.error,
        "hint": report.hint,
        "differences": report.differences,
        "checks": [_check_form(outcome) for outcome in report.checks],
        "cutover_limit": _limit_of_cutover_form(report.cutover_limit),
        "rehearsal": None if report.rehearsal is None else _rehearsal_form(report.rehearsal),
        "put_off": [_put_off_form(each) for each in report.put_off],
        "next": None if report.phase.is_at_least(Phase.ACCEPTED) else next_command,
    }


def _limit_of_cutover_form(limit: CutoverLimit | None) -> dict[str, Any] | None:
    if limit is None:
        return None
    return {
        "ends_at": moment_text(limit.ends_at),
        "freeze_by": moment_text(limit.freeze_by),
        "switch_by": moment_text(limit.switch_by),
        "abort_by": moment_text(limit.abort_by),
        "sentence": limit.sentence,
    }


def _rehearsal_form(rehearsal: RehearsalReport) -> dict[str, Any]:
    return {
        "ended_at": moment_text(rehearsal.ended_at),
        "holds": rehearsal.expired is None,
        "reason": rehearsal.expired,
        "seconds": {each.step: each.seconds for each in rehearsal.steps},
    }


def _put_off_form(item: PutOff) -> dict[str, Any]:
    return {"dataset": item.dataset, **path_form(item.path), "tries": item.tries, "reason": item.reason}


def _times_form(times: WaveTimes) -> dict[str, Any]:
    return {
        "wave": times.wave,
        "is_open": times.is_open,
        "closes_at": _moment_or_none(times.closes_at),
        "opens_at": _moment_or_none(times.opens_at),
        "is_cutover_open": times.is_cutover_open,
        "cutover_closes_at": _moment_or_none(times.cutover_closes_at),
        "cutover_opens_at": _moment_or_none(times.cutover_opens_at),
    }


def _moment_or_none(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment_text(moment)


def _check_form(outcome: CheckOutcome) -> dict[str, Any]:
    return {
        "check": outcome.name,
        "moment": outcome.moment,
        "has_passed": outcome.has_passed,
        "reason": outcome.reason,
        "seconds": outcome.seconds,
    }


def _attempt_form(attempt: Attempt) -> dict[str, Any]:
    return {
        "step": attempt.step,
        "started_at": moment_text(attempt.started_at),
        "ended_at": None if attempt.ended_at is None else moment_text(attempt.ended_at),
        "error": attempt.error,
        "run_id": attempt.run_id,
    }


def _tally_form(tally: Tally) -> dict[str, Any]:
    return {
        "seen": tally.seen,
        "counts": {state.value: tally.of(state) for state in Class},
        "size_bytes": {state.value: tally.size_bytes.get(state, 0) for state in Class},
        "foreign": tally.foreign,
    }


def wave_form(report: WaveReport) -> dict[str, Any]:
    """The end of a report: all applications added up."""
    total = Tally()
    for application in report.applications:
        total = total.plus(application.tally)
    waves = list(dict.fromkeys(application.wave for application in report.applications))
    return {
        "command": report.command,
        "waves": waves,
        "applications": len(report.applications),
        **_tally_form(total),
        "limits": [_limit_form(limit) for limit in report.limits],
        "times": [_times_form(times) for times in report.times],
        "exit_code": report.exit_code,
        "next": report.next_command,
    }


def _limit_form(limit: LiveLimit) -> dict[str, Any]:
    return {
        "endpoint": limit.endpoint,
        "bytes_per_second": limit.bytes_per_second,
        "set_by": limit.set_by,
        "set_at": moment_text(limit.set_at),
    }


def planned_form(application: PlannedApplication) -> dict[str, Any]:
    """What is left to do for one application."""
    return {
        "application": application.name,
        "wave": application.wave,
        "owner": application.owner,
        "phase": application.phase,
        "steps": application.steps,
        "cutover_limit": _limit_of_cutover_form(application.cutover_limit),
        "datasets": [_forecast_form(dataset) for dataset in application.datasets],
    }


def _forecast_form(forecast: DatasetForecast) -> dict[str, Any]:
    return {
        "dataset": forecast.name,
        "source": forecast.source,
        "target": forecast.target,
        "source_lane": forecast.source_lane,
        "target_lane": forecast.target_lane,
        "items": forecast.items,
        "size_bytes": forecast.size_bytes,
        "to_copy_items": forecast.to_copy_items,
        "to_copy_bytes": forecast.to_copy_bytes,
        "to_delete_items": forecast.to_delete_items,
        "excluded_items": forecast.excluded_items,
    }


def finding_form(finding: Finding) -> dict[str, Any]:
    """What a rule has to say."""
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "application": finding.application,
        "sentence": finding.sentence,
        "hint": finding.hint,
        "waived": finding.waived,
    }


def plan_form(report: PlanReport) -> dict[str, Any]:
    """The end of a plan report."""
    return {
        "migration": report.migration,
        "digest": report.digest,
        "recorded_digest": report.recorded_digest,
        "changes": report.changes,
        "is_offline": report.is_offline,
        "times": [_times_form(times) for times in report.times],
        "has_work": report.has_work,
        "exit_code": report.exit_code,
        "next": report.next_command,
    }
