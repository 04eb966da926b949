"""Probes that are asked before their time: what they fail with is a warning, and what must end a command ends it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from migrator import planfile
from migrator.domain.phases import Phase
from migrator.domain.plan import Place
from migrator.endpoints.contract import Host
from migrator.errors import EndpointUnavailable, Interrupted, MigratorError, SafetyStop, WindowOver
from migrator.switching.readiness import unready
from tests.support.plans import application, flag_freeze, local, write_plan


def asked(folder: Path, error: MigratorError) -> list[str]:
    """The rules that speak when the place of a freeze hook raises `error` as soon as it is asked for."""
    portail = application("portail", f"old:{folder}/source", f"new:{folder}/target", freeze=flag_freeze(folder / "f"))
    plan = planfile.load(write_plan(folder / "plan.yaml", {"old": local(), "new": local()}, portail))

    class Silent:
        def run(self, *_: object) -> NoReturn:
            raise error

    place: Callable[[Place], Host] = lambda _: Silent()  # type: ignore[assignment, return-value]  # noqa: E731
    return [finding.rule for finding in unready(plan.applications[0], place, Phase.PLANNED)]


def test_a_host_that_does_not_answer_is_a_warning(tmp_path: Path) -> None:
    assert asked(tmp_path, EndpointUnavailable("gone")) == ["freeze-probe"]


@pytest.mark.parametrize("error", [Interrupted(signal.SIGINT), WindowOver("over"), SafetyStop("another key")])
def test_what_must_end_a_command_ends_it(error: MigratorError, tmp_path: Path) -> None:
    with pytest.raises(type(error)):
        asked(tmp_path, error)
