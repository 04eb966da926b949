"""The `http` switch against a real web server, well-behaved and not."""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrator.domain.acts import HttpCall, HttpSwitch
from migrator.errors import LocalFault, Refused
from migrator.journal.application import ApplicationJournal
from migrator.journal.folder import StateFolder
from migrator.switching import requests
from migrator.switching.cautious import put_in_place, take_back
from migrator.switching.effect import Answer
from migrator.switching.http import HttpEffect
from migrator.switching.requests import Unanswered, ask
from tests.support.sshd import dead_port
from tests.support.web import Api, Asked, Reply, serving

CANARY = "canary-0451-do-not-print"


class Balancer:
    """A load balancer with an interface: PUT /pool NAME sets the pool, GET /pool/NAME is 200 for the one in use."""

    def __init__(self) -> None:
        self.pool = "old"

    def __call__(self, asked: Asked) -> Reply:
        if asked.method == "PUT":
            self.pool = asked.body
            return Reply(204)
        return Reply(200 if asked.path == f"/pool/{self.pool}" else 404)


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(Balancer()) as api:
        yield api


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[ApplicationJournal]:
    with ApplicationJournal.open(StateFolder(tmp_path / "state", "moving"), "portail") as journal:
        yield journal


def effect_at(api: Api, *, seconds: float = 5.0, token_file: Path | None = None) -> HttpEffect:
    switch = HttpSwitch(
        apply=HttpCall("PUT", api.url("/pool"), "new", 204),
        probe=HttpCall("GET", api.url("/pool/new")),
        undo=HttpCall("PUT", api.url("/pool"), "old", 204),
        token_file=token_file,
        timeout_seconds=seconds,
    )
    return HttpEffect("portail", "switch 1 (http)", switch)


def ignore(event: object) -> None:
    pass


def test_there_and_back_again(api: Api, journal: ApplicationJournal) -> None:
    effect = effect_at(api)
    for _ in range(2):
        put_in_place(effect, journal, ignore)
    take_back(effect, journal, ignore)
    assert [(asked.method, asked.body) for asked in api.asked if asked.method == "PUT"] == [
        ("PUT", "new"),
        ("PUT", "old"),
    ]
    assert effect.probe() is Answer.NOT_IN_PLACE


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, Answer.IN_PLACE),
        (204, Answer.NOT_IN_PLACE),
        (404, Answer.NOT_IN_PLACE),
        (409, Answer.NOT_IN_PLACE),
        (302, Answer.UNKNOWN),
        (401, Answer.UNKNOWN),
        (403, Answer.UNKNOWN),
        (429, Answer.UNKNOWN),
        (500, Answer.UNKNOWN),
        (503, Answer.UNKNOWN),
    ],
)
def test_what_each_status_says(status: int, answer: Answer) -> None:
    with serving(lambda _: Reply(status, headers={"Location": "/elsewhere"})) as api:
        effect = effect_at(api)
        assert effect.probe() is answer
        assert len(api.asked) == 1, "no redirect is followed"
        assert (effect.doubt is not None and str(status) in effect.doubt.sentence) is (answer is Answer.UNKNOWN)


def test_nobody_there_is_unknown(api: Api) -> None:
    effect = effect_at(api)
    api.close()
    assert effect.probe() is Answer.UNKNOWN
    assert effect.doubt is not None
    assert "refused" in effect.doubt.sentence
    with pytest.raises(Refused, match="was not answered"):
        effect.apply()


@pytest.mark.parametrize("reply", [Reply(body=b"x" * 1000, drip_seconds=0.05), Reply(drip_seconds=30, body=b"xx")])
def test_a_server_that_drips_is_given_up(reply: Reply) -> None:
    with serving(lambda _: reply) as api:
        began = time.monotonic()
        assert effect_at(api, seconds=1.0).probe() is Answer.UNKNOWN
        assert time.monotonic() - began < 25


def test_a_refusal_is_quoted_safely_and_briefly(journal: ApplicationJournal) -> None:
    with serving(lambda asked: Reply(404 if asked.method == "GET" else 409, b"x" * 9000 + b"\n\x1b[31mbusy")) as api:
        with pytest.raises(Refused) as caught:
            put_in_place(effect_at(api), journal, ignore)
        assert "was answered with 409 instead of 204" in caught.value.message
        assert caught.value.message.endswith(r"\x1b[31mbusy")
        assert len(caught.value.message) < 1000


def test_an_endless_answer_is_cut() -> None:
    with serving(lambda _: Reply(body=b"x" * (3 * requests.BODY_LIMIT_BYTES))) as api:
        assert len(ask(HttpCall("GET", api.url()), 10).body) == requests.BODY_LIMIT_BYTES


def test_the_token_is_sent_and_never_told(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{CANARY}\n")
    effect = effect_at(api, token_file=file)
    effect.apply()
    assert api.asked[-1].headers["Authorization"] == f"Bearer {CANARY}"
    api.answer = lambda _: Reply(500, b"no")
    with pytest.raises(Refused) as caught:
        effect.apply()
    assert effect.probe() is Answer.UNKNOWN
    assert CANARY not in f"{caught.value!r}{caught.value.hint}{effect.__dict__}"


@pytest.mark.parametrize("content", ["", f"{CANARY} {CANARY}", f"{CANARY}\nX-Evil: 1", f"{CANARY}é"])
def test_a_token_that_cannot_be_one_is_refused_unseen(api: Api, tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(Refused, match="holds no token") as caught:
        effect_at(api, token_file=file).probe()
    assert CANARY not in str(caught.value)
    assert api.asked == []


def test_a_token_does_not_follow_a_redirect(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(CANARY)
    with (
        serving(lambda _: Reply(200)) as other,
        serving(lambda _: Reply(307, headers={"Location": other.url()})) as api,
    ):
        assert effect_at(api, token_file=file).probe() is Answer.UNKNOWN
        assert other.asked == []


def test_nothing_is_taken_from_the_environment(api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {CANARY}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{dead_port()}")
    assert effect_at(api).probe() is Answer.NOT_IN_PLACE
    assert "Authorization" not in api.asked[0].headers


@pytest.fixture
def certified(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of our own for 127.0.0.1, and a server's context with it."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-days", "1", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*argv, "-out", str(certificate), "-keyout", str(key)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context


def test_a_certificate_that_nobody_vouches_for_ends_it(certified: tuple[Path, ssl.SSLContext], tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(CANARY)
    with serving(lambda _: Reply(200), certified[1]) as api:
        with pytest.raises(Unanswered, match="certificate"):
            ask(HttpCall("GET", api.url()), 5, file)
        assert api.asked == []


def test_without_the_package_it_is_said(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "PACKAGE", "package_that_is_not_there")
    with pytest.raises(LocalFault, match="need the package"):
        effect_at(api).probe()
