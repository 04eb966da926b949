"""Secrets through every failure: what may not be told stands in nothing that is printed, kept or recorded."""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import COMMAND, Cli, Outcome, clean_environment
from tests.support.moves import Move
from tests.support.nameservers import ZONE
from tests.support.plans import remote
from tests.support.sshd import Account, Sshd
from tests.support.trees import build_many
from tests.support.web import Asked, Reply, serving

CANARY = "canary-7f3a-do-not-tell"


@dataclass
class Place:
    """A move, and everything that was said and may be searched."""

    move: Move
    said: list[Outcome] = field(default_factory=list)

    def cli(self, **more: Any) -> Cli:
        """The command line, in an environment that holds secrets of its own."""
        variables = {"PORTAIL_DB_PASSWORD": CANARY, "API_TOKEN": CANARY, "AWS_SECRET_ACCESS_KEY": CANARY}
        return replace(self.move.cli(**more), environment=variables)

    def run(self, cli: Cli, *words: str, expect: int) -> str:
        """Carry a command out, and look around afterwards as a program does; all that was said."""
        command, *options = words
        self.said += [cli(command, *options, "--verbose", expect=expect), cli("status", "--json")]
        return "".join(each.stdout + each.stderr for each in self.said)

    def leaks(self, *secrets: str) -> list[str]:
        """Where one of them can be found: on either stream, or in any file of the state."""
        forms = {
            form for secret in secrets for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("="))
        }
        raw = [form.encode() for form in forms]
        found = [str(each.argv) for each in self.said if any(form in each.stdout + each.stderr for form in forms)]
        state = self.move.folder / "state"
        kept = [path for path in state.rglob("*") if path.is_file() and any(form in path.read_bytes() for form in raw)]
        return [*found, *(str(path.relative_to(state)) for path in kept)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_many(bytes(move.source), 3)
    return Place(move)


def test_hooks_that_print_their_environment_and_fail(place: Place) -> None:
    shows = ["sh", "-c", "env; env >&2; exit 1"]
    cli = place.cli(freeze={"on": "here", "apply": shows, "probe": ["false"], "undo": ["true"]})
    said = place.run(cli, "run", "--yes", expect=4)
    assert "exited 1: " in said, "the hook's words are told"
    assert place.leaks(CANARY) == []


def test_a_server_that_echoes_the_token(place: Place) -> None:
    token = place.move.folder / "token"
    token.write_text(CANARY)

    def echo(asked: Asked) -> Reply:
        words = "\r\n".join(f"{name}: {value}" for name, value in asked.headers.items())
        return Reply(404 if asked.method == "GET" else 500, f"denied to: {words}".encode())

    with serving(echo) as api:
        put = {"method": "PUT", "url": api.url("/on")}
        call = {"apply": put, "undo": put, "probe": {"url": api.url("/")}, "token_file": str(token), "timeout": "5 s"}
        cli = place.cli(switch=[{"http": call}])
        said = place.run(cli, "run", "--yes", expect=4)
        assert any(CANARY in asked.headers.get("Authorization", "") for asked in api.asked)
    assert "(the token)" in said
    assert place.leaks(CANARY) == []


@pytest.mark.parametrize(
    "text",
    [
        f'key "migrator" {{ algorithm hmac-sha256; secret "{CANARY}" }} and more;',
        f'key "migrator" {{ algorithm hmac-{CANARY}; secret "YWJj"; }};',
        f"{CANARY}\n",
        f'key "migrator" {{ algorithm hmac-sha256; secret "{base64.b64encode(CANARY.encode()).decode()}"; }};',
    ],
    ids=["not base64", "in the wrong place", "no key at all", "a good one, and nobody answers"],
)
def test_a_key_for_dns_that_is_of_no_use(text: str, place: Place) -> None:
    key = place.move.folder / "tsig.key"
    key.write_text(text)
    key.chmod(0o600)
    record = {"server": "127.0.0.1:9", "zone": ZONE, "name": "eau", "type": "A", "value": "10.18.0.7"}
    cli = place.cli(switch=[{"dns": {**record, "key_file": str(key), "timeout": "2 s"}}])
    for words in (("plan", "--json"), ("run", "--yes", "--verbose")):
        place.said.append(any_end(cli, *words))
    assert any(each.code for each in place.said)
    assert place.leaks(CANARY) == []


@pytest.mark.parametrize("connector", ["openssh", "paramiko"])
@pytest.mark.parametrize("damage", ["broken", "not let in", "world-readable"])
def test_a_private_key_that_does_not_work(
    connector: Any, damage: str, place: Place, sshd: Sshd, account: Account
) -> None:
    good = sshd.setup.client_key.private.read_text()
    body = [line for line in good.splitlines() if not line.startswith("-")]
    key = place.move.folder / "key"
    key.write_text(good.replace(body[1], CANARY) if damage == "broken" else good)
    key.chmod(0o644 if damage == "world-readable" else 0o600)
    spec = sshd.endpoint(connector)
    assert spec.ssh is not None
    user = "nobody-of-that-name" if damage == "not let in" else spec.ssh.user
    move = replace(place.move, source_end=remote(replace(spec, ssh=replace(spec.ssh, identity_file=key, user=user))))
    place.move = move
    place.said.append(any_end(place.cli(), "run", "--verbose"))
    place.said.append(any_end(place.cli(), "plan", "--json"))
    assert place.leaks(CANARY, *body) == []


@pytest.mark.parametrize(
    ("where", "secret"),
    [
        ("ssh", {"password": CANARY}),
        ("ssh", {"identity_file": "~/.ssh/id", "passphrase": CANARY}),
        ("switch", {"http": {"apply": {"url": f"https://api:{CANARY}@lb.example/on"}}}),
        ("switch", {"dns": {"server": "ns.example", "secret": CANARY}}),
    ],
    ids=["password", "passphrase", "in a URL", "TSIG"],
)
def test_a_secret_that_somebody_wrote_into_the_plan(where: str, secret: Any, place: Place) -> None:
    """It is refused, and the complaint does not repeat it: complaints end in the logs of CI."""
    if where == "ssh":
        place.move = replace(place.move, source_end={"ssh": {"host": "legacy.example", "user": "export", **secret}})
        cli = place.cli()
    else:
        cli = place.cli(switch=[secret])
    for words in (("plan", "--offline"), ("plan", "--offline", "--json"), ("run",)):
        place.said.append(cli(*words, expect=11))
    assert place.leaks(CANARY) == []


def any_end(cli: Cli, command: str, *options: str) -> Outcome:
    """Carry a command out that may fail with any code but that of a bug."""
    argv = [*COMMAND, command, str(cli.plan), *options, "--state", str(cli.state)]
    environment = {**clean_environment(), **cli.environment}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=90, check=False)
    outcome = Outcome(tuple(argv), done.returncode, done.stdout, done.stderr)
    assert done.returncode != 1, str(outcome)
    assert "Traceback" not in done.stdout + done.stderr, shlex.join(argv) + os.linesep + str(outcome)
    return outcome
