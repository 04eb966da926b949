"""Saved plans as files: JSON in a stable order, to be reviewed, kept under version control, and believed only whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from migrator.domain.entries import display
from migrator.domain.saved import SavedPlan
from migrator.errors import PlanInvalid
from migrator.planfile.content import digest_of
from migrator.planfile.reading import read_bytes

_FORMAT = 1
_FORMAT_KEY = "saved_plan"
# Three hundred applications with a thousand findings take 2 MB.
_LIMIT_BYTES = 64 * 1024 * 1024
_SHAPE = TypeAdapter(SavedPlan)


def text_of(saved: SavedPlan) -> str:
    """The file's text."""
    values = _SHAPE.dump_python(saved, mode="json")
    body = {_FORMAT_KEY: _FORMAT, **values, "content": json.loads(saved.content)}
    return json.dumps({**body, "digest": _digest(body)}, indent=2, ensure_ascii=False) + "\n"


def read_saved(path: Path) -> SavedPlan:
    """The saved plan in the file at `path`; PlanInvalid for a file of another kind, damaged, edited, or newer."""
    shown = display(bytes(path))
    raw = read_bytes(path, "saved plan", _LIMIT_BYTES)
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _foreign(shown) from error
    if not isinstance(body, dict) or _FORMAT_KEY not in body:
        raise _foreign(shown)
    if body[_FORMAT_KEY] != _FORMAT:
        raise PlanInvalid(
            f"{shown} was saved in format {str(body[_FORMAT_KEY])[:20]!r}, and this version reads {_FORMAT}",
            hint="use the version that wrote it, or save the plan again",
        )
    return _believed(body, shown)


def _believed(body: dict[str, Any], shown: str) -> SavedPlan:
    digest = _digest(body)
    if body.get("digest") != digest:
        raise _damaged(shown)
    content = json.dumps(body.get("content"), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    try:
        saved = _SHAPE.validate_python({**body, "content": content})
    except ValidationError as error:
        raise _damaged(shown) from error
    if digest_of(content) != saved.report.digest:
        raise _damaged(shown)
    return replace(saved, digest=digest)


def _digest(body: dict[str, Any]) -> str:
    """Over all but the digest itself, whatever the layout."""
    counted = {key: value for key, value in body.items() if key != "digest"}
    return hashlib.sha256(json.dumps(counted, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _foreign(shown: str) -> PlanInvalid:
    return PlanInvalid(f"{shown} is not a saved plan", hint="write one with `migrator plan PLAN --out FILE`")


def _damaged(shown: str) -> PlanInvalid:
    return PlanInvalid(
        f"{shown} is damaged, or was edited: it is not what was written", hint="save the plan again, or fetch the file"
    )
