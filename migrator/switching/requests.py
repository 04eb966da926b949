"""HTTP requests as switches and smoke checks make them: bounded in time and size, and nobody's secret told.

httpx2 comes with the extra `http`. Neither proxies, certificates nor `.netrc` are taken from the environment, and no
redirect is followed: so a token reaches the host of its URL and no other.
"""

from __future__ import annotations

import importlib.util
import os
import re
import time
from pathlib import Path
from typing import NamedTuple

from migrator.domain.acts import HttpCall
from migrator.domain.entries import display
from migrator.errors import LocalFault, Refused
from migrator.switching.deadline import Overdue, within

PACKAGE = "httpx2"
HINT_INSTALL = "install the extra `http`: pip install 'migrator[http]'"

# How much of an answer is read.
BODY_LIMIT_BYTES = 1024 * 1024
_TOKEN_LIMIT_BYTES = 16 * 1024
_TOKEN = re.compile(r"[\x21-\x7e]+")


class Reply(NamedTuple):
    """An answer: its status, and the beginning of its body."""

    status: int
    body: bytes


class Unanswered(Exception):
    """There was no answer in time, or none that can be understood; the text says why."""


def is_installed() -> bool:
    """Whether requests can be made at all."""
    return importlib.util.find_spec(PACKAGE) is not None


def ask(call: HttpCall, timeout_seconds: float, token_file: Path | None = None) -> Reply:
    """The answer to one request; Unanswered when there is none within the time.

    The token is read anew for each request, and is in no answer. Refused when its file cannot be used, LocalFault
    without httpx2.
    """
    if not is_installed():
        raise LocalFault(f"requests need the package {PACKAGE}", hint=HINT_INSTALL)
    headers = {"User-Agent": "migrator"}
    token = None if token_file is None else _token(token_file)
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    try:
        # httpx2 limits each read, not all of them: a server that sends a byte a second would go on for ever.
        reply = within(timeout_seconds + 1, lambda: _exchange(call, headers, timeout_seconds))
    except Overdue:
        raise Unanswered(f"no complete answer within {timeout_seconds:g} s") from None
    # Servers that repeat what they were asked are not rare, and what they say is quoted.
    return reply if token is None else reply._replace(body=reply.body.replace(token.encode(), b"(the token)"))


def _exchange(call: HttpCall, headers: dict[str, str], timeout_seconds: float) -> Reply:
    import httpx2  # noqa: PLC0415 - an extra, and paid for only by plans that use it

    deadline = time.monotonic() + timeout_seconds
    content = None if call.body is None else call.body.encode()
    body = bytearray()
    try:
        with (
            httpx2.Client(trust_env=False, follow_redirects=False, timeout=timeout_seconds) as client,
            client.stream(call.method, call.url, content=content, headers=headers) as response,
        ):
            for part in response.iter_bytes(64 * 1024):
                body += part
                if len(body) >= BODY_LIMIT_BYTES:
                    break
                if time.monotonic() > deadline:
                    raise Unanswered(f"no complete answer within {timeout_seconds:g} s")
            return Reply(response.status_code, bytes(body[:BODY_LIMIT_BYTES]))
    except httpx2.TimeoutException:
        raise Unanswered(f"no answer within {timeout_seconds:g} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Unanswered(display(str(error).encode("utf-8", "surrogateescape")) or type(error).__name__) from None


def _token(file: Path) -> str:
    """What stands in the file; never part of an error, whatever it is."""
    shown = display(os.fsencode(file))
    hint = "it holds one bearer token, in one line"
    try:
        with file.open("rb") as stream:
            raw = stream.read(_TOKEN_LIMIT_BYTES + 1)
    except OSError as error:
        raise Refused(f"cannot read the token file {shown}: {error.strerror}", hint=hint) from None
    token = raw.decode("latin-1").strip()
    if len(raw) > _TOKEN_LIMIT_BYTES or not _TOKEN.fullmatch(token):
        raise Refused(f"the token file {shown} holds no token", hint=hint)
    return token
