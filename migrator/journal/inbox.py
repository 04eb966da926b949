"""The inbox: how a command that holds no lock leaves an approval for the coordinator, as a synced file."""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from migrator.journal.folder import StateFolder, sync_directory, unreadable
from migrator.journal.tables import moment_text

_SUFFIX = ".json"
_FORMAT = "approval-2"
_FORMATS = frozenset({"approval-1", _FORMAT})  # the first had no signatures
_LIMIT_BYTES = 64 * 1024
_MOMENTS = ("approved_at", "not_before", "not_after")


class Approval(NamedTuple):
    """Who said yes to what, exactly, and when that holds (times are aware)."""

    id: str
    gate: str  # a Gate, or a name that the plan adds
    application: str
    plan_digest: str
    approved_by: str
    approved_at: dt.datetime
    not_before: dt.datetime | None
    not_after: dt.datetime | None
    manifest_root: str | None = None
    signature: str | None = None  # an armoured SSH signature of its statement

    def holds_at(self, now: dt.datetime) -> bool:
        """Whether `now` lies within the approved time, its ends included."""
        is_early = self.not_before is not None and now < self.not_before
        is_late = self.not_after is not None and now > self.not_after
        return not is_early and not is_late


class Malformed(NamedTuple):
    """A file that is no approval, and why."""

    reason: str
    content: bytes  # as far as it was read


def post_approval(folder: StateFolder, approval: Approval) -> None:
    """Leave the approval in the inbox, durable on return; LocalFault when that fails. Needs no lock."""
    folder.create()
    moments = {name: moment and moment_text(moment) for name, moment in approval._asdict().items() if name in _MOMENTS}
    content = json.dumps({"format": _FORMAT, **approval._asdict(), **moments}, indent=2) + "\n"
    name = f"{moment_text(approval.approved_at)}-{secrets.token_hex(8)}"
    draft = folder.inbox / f".{name}"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.rename(folder.inbox / f"{name}{_SUFFIX}")
        sync_directory(folder.inbox)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise unreadable(folder.inbox, error) from error


def waiting(folder: StateFolder) -> Iterator[tuple[Path, Approval | Malformed]]:
    """What lies in the inbox, the oldest first; files still being written (their names begin with a dot) are not."""
    try:
        names = sorted(name for name in os.listdir(folder.inbox) if not name.startswith("."))
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(folder.inbox, error) from error
    for name in names:
        path = folder.inbox / name
        if path == folder.refused:
            continue
        try:
            content = _read(path)
        except FileNotFoundError:  # the coordinator has taken it in since
            continue
        except OSError as error:
            raise unreadable(path, error) from error
        yield path, _parse(content)


def _read(path: Path) -> bytes | None:
    """The content, cut off at the limit; None when it is not a plain file."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        return file.read(_LIMIT_BYTES + 1)


def _parse(content: bytes | None) -> Approval | Malformed:
    if content is None:
        return Malformed("not a plain file", b"")
    if len(content) > _LIMIT_BYTES:
        return Malformed(f"longer than {_LIMIT_BYTES} bytes", content)
    try:
        return _approval(json.loads(content))
    except (ValueError, TypeError, RecursionError) as error:
        return Malformed(f"not an approval: {error}", content)


def _approval(found: Any) -> Approval:
    """The approval in parsed JSON; ValueError or TypeError when it is not one."""
    if not isinstance(found, dict) or found.pop("format", None) not in _FORMATS:
        raise ValueError(f"it does not say `format: {_FORMAT}`")
    wrong = [name for name, value in found.items() if not isinstance(value, str | None)]
    if wrong:
        raise ValueError(f"`{wrong[0]}` is not text")
    moments = {name: _moment(found[name]) for name in _MOMENTS if found.get(name) is not None}
    approval = Approval(**{**found, **moments})
    required = (
        approval.id,
        approval.gate,
        approval.application,
        approval.plan_digest,
        approval.approved_by,
        approval.approved_at,
    )
    if not all(required):
        raise ValueError("something that is required is empty")
    return approval


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {text}")
    return moment
