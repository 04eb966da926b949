"""Smoke checks against real servers and commands."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from migrator.domain.acts import Check, CommandCheck, HttpCheck, SameOutput, TcpCheck
from migrator.domain.plan import Application, EndpointSpec, Place
from migrator.domain.reports import CheckOutcome, Moment
from migrator.domain.stopping import Stop
from migrator.endpoints.agent.endpoint import AgentEndpoint
from migrator.endpoints.agent.here import HereAccess
from migrator.endpoints.contract import Completed, Endpoint
from migrator.errors import EndpointUnavailable, Interrupted
from migrator.switching import checks
from migrator.switching.checks import Checking, make_checks
from tests.support.sshd import dead_port
from tests.support.web import Reply, serving

Places = Callable[[Place], Endpoint]


class Side(AgentEndpoint):
    """This machine in the role of a side; commands learn which from their environment's stand-in, the last argument."""

    def __init__(self, word: str) -> None:
        super().__init__(EndpointSpec(word), HereAccess())
        self.word = word

    def run(self, argv: object, timeout_seconds: float) -> Completed:
        assert isinstance(argv, tuple)
        return super().run([*argv, self.word], timeout_seconds)


def made(
    *checks: Check, moment: Moment = "after", place: Places = Side, stop: Stop | None = None
) -> list[CheckOutcome]:
    application = Application("portail", "default", (), checks=checks)
    return make_checks(application, moment, Checking(place, stop or Stop()))


def reason(check: Check, place: Places = Side) -> str:
    (outcome,) = made(check, place=place)
    assert not outcome.has_passed
    assert outcome.reason is not None
    return outcome.reason


def python(program: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", program)


def same(program: str) -> SameOutput:
    return SameOutput(python(program), "always", 1.0)


def test_an_address_is_asked_for_status_and_text() -> None:
    with serving(lambda _: Reply(200, "Bienvenue à l'eau".encode())) as api:
        url = api.url("/health")
        assert made(HttpCheck(url, 200, "à l'eau", "always", 1.0))[0].has_passed
        assert reason(HttpCheck(url, 204, None, "always", 1.0)) == f"{url} answered with 200 instead of 204"
        assert reason(HttpCheck(url, 200, "Seine", "always", 1.0)) == f"the answer of {url} does not hold `Seine`"
    assert "did not answer" in reason(HttpCheck(url, 200, None, "always", 1.0))


def test_a_check_is_tried_again_until_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_AGAIN_SECONDS", 0.2)
    with serving(lambda _: Reply(200 if len(api.asked) > 2 else 503)) as api:
        (outcome,) = made(HttpCheck(api.url(), 200, None, "always", 30.0))
        assert outcome.has_passed
        assert len(api.asked) == 3
        api.answer = lambda _: Reply(503)
        began = time.monotonic()
        assert "503" in reason(HttpCheck(api.url(), 200, None, "always", 2.0))
        assert time.monotonic() - began < 30
        assert 5 <= len(api.asked) <= 3 + 2 / 0.2


def test_a_port_takes_connections_or_does_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert made(TcpCheck("127.0.0.1", port, "always", 1.0))[0].has_passed
    port = dead_port()
    assert reason(TcpCheck("127.0.0.1", port, "always", 1.0)).startswith(f"127.0.0.1:{port} does not take connections")


def test_a_command_exits_0_or_is_quoted() -> None:
    assert made(CommandCheck("here", python("pass"), "always", 5.0))[0].has_passed
    check = CommandCheck("target", python(r"import sys; sys.exit('\x1b[31mno')"), "always", 1.0)
    assert reason(check) == r"the command at the target exited 1: \x1b[31mno"
    slow = CommandCheck("here", python("import time; time.sleep(60)"), "always", 1.0)
    assert reason(slow) == "the command did not end in time and said nothing"


def test_outputs_are_compared_and_the_difference_shown() -> None:
    assert made(same("print(1, 2, sep='\\n')"))[0].has_passed
    assert reason(same("import sys; print('a'); print('rows in', sys.argv[1])")) == (
        r"line 2 differs: `rows in source\x0a` at the source, `rows in target\x0a` at the target"
    )
    assert reason(same("import sys; print('a\\nb' if sys.argv[1] == 'source' else 'a')")) == (
        r"line 2 differs: `b\x0a` at the source, nothing at the target"
    )


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; sys.exit(sys.argv[1] == 'target')", "the command at the target exited 1 and said nothing"),
        ("print('x' * 70000)", "the output at the source is longer than 64 KiB, too long to compare"),
    ],
)
def test_what_cannot_be_compared_has_failed(program: str, said: str) -> None:
    assert reason(same(program)) == said


def test_long_and_hostile_lines_are_shown_short_and_safe() -> None:
    said = reason(same(r"import sys; print('\x1b[2J' + sys.argv[1] * 1000)"))
    assert said.isprintable()
    assert len(said) < 400


def test_a_host_that_cannot_be_reached_fails_the_check() -> None:
    class Gone(Side):
        def run(self, argv: object, timeout_seconds: float) -> Completed:
            raise EndpointUnavailable("`legacy` cannot be reached")

    assert reason(CommandCheck("target", ("true",), "always", 1.0), Gone) == "`legacy` cannot be reached"


def test_each_is_made_at_its_moment_and_keeps_its_number() -> None:
    checks = (
        CommandCheck("here", ("true",), "before", 1.0),
        CommandCheck("here", ("false",), "after", 1.0),
        CommandCheck("here", ("true",), "always", 1.0),
    )
    assert [(each.name, each.has_passed) for each in made(*checks, moment="before")] == [
        ("check 1 (command)", True),
        ("check 3 (command)", True),
    ]
    assert [(each.name, each.has_passed) for each in made(*checks, moment="after")] == [
        ("check 2 (command)", False),
        ("check 3 (command)", True),
    ]


def test_a_stop_ends_the_waiting(tmp_path: Path) -> None:
    stop = Stop()

    class Stopping(Side):
        def run(self, argv: object, timeout_seconds: float) -> Completed:
            stop.ask(15)
            return Completed(1, b"", b"")

    began = time.monotonic()
    with pytest.raises(Interrupted):
        made(CommandCheck("here", ("false",), "always", 120.0), place=Stopping, stop=stop)
    assert time.monotonic() - began < 60
