"""What an approval says, as text: people read it before they sign it, and every byte of it is signed.

Format 1: a first line `migrator approval 1`, then lines `name: value` in the order of `_NAMES`, each with its newline.
"""

from __future__ import annotations

import datetime as dt
import re

from migrator.errors import UsageError
from migrator.journal.inbox import Approval

_TITLE = "migrator approval 1"
_NAMES = ("migration", "application", "gate", "plan", "manifest", "not-before", "not-after", "id")
_ANY = "any"
_DIGEST = "sha256:"
_LINE = re.compile(r"([a-z-]+): (.+)\Z")


def statement(approval: Approval, migration: str) -> str:
    """What whoever signs `approval` says yes to: all of it but who, and when that was."""
    values = (
        migration,
        approval.application,
        approval.gate,
        _DIGEST + approval.plan_digest,
        _ANY if approval.manifest_root is None else _DIGEST + approval.manifest_root,
        _moment_text(approval.not_before),
        _moment_text(approval.not_after),
        approval.id,
    )
    lines = [f"{name}: {value}" for name, value in zip(_NAMES, values, strict=True)]
    return "\n".join([_TITLE, *lines, ""])


def read_statement(text: str, migration: str, by: str, at: dt.datetime) -> Approval:
    """The approval by `by` of which `text` is the statement; UsageError when it is none, or of another migration."""
    title, *lines = text.split("\n")
    found = [(match[1], match[2]) for line in lines[:-1] if (match := _LINE.match(line))]
    if title != _TITLE or lines[-1:] != [""] or tuple(name for name, _ in found) != _NAMES:
        raise _no_statement("it does not have the lines that `migrator approve --request FILE` writes")
    values = dict(found)
    if values["migration"] != migration:
        raise _no_statement(f"it is about the migration `{values['migration']}`, not `{migration}`")
    try:
        approval = Approval(
            id=values["id"],
            gate=values["gate"],
            application=values["application"],
            plan_digest=values["plan"].removeprefix(_DIGEST),
            approved_by=by,
            approved_at=at,
            not_before=_moment(values["not-before"]),
            not_after=_moment(values["not-after"]),
            manifest_root=None if values["manifest"] == _ANY else values["manifest"].removeprefix(_DIGEST),
        )
    except ValueError as error:
        raise _no_statement(str(error)) from error
    if statement(approval, migration) != text:
        raise _no_statement("it is not written exactly as migrator writes it")
    return approval


def _no_statement(why: str) -> UsageError:
    return UsageError(
        f"that is not the request of an approval: {why}",
        hint="write one with `migrator approve PLAN GATE --request FILE`, and sign that file unchanged",
    )


def _moment_text(moment: dt.datetime | None) -> str:
    return _ANY if moment is None else moment.astimezone(dt.UTC).isoformat(timespec="seconds")


def _moment(text: str) -> dt.datetime | None:
    return None if text == _ANY else dt.datetime.fromisoformat(text)
