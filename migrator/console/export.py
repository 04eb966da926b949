"""The rows of `migrator export`: one JSON object an item, with the keys that the documentation promises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from migrator.console.jsonl import json_text, path_form
from migrator.console.output import Output
from migrator.domain.entries import Item


def write_rows(output: Output, rows: Iterable[tuple[str, Item]]) -> None:
    """Write a line an item; ends quietly when the reader leaves, raises LocalFault when the disk is full."""
    for application, item in rows:
        output.write(json_text(export_form(application, item), output) + "\n")
        if not output.has_reader:
            break
    output.flush()
    output.require_complete()


def export_form(application: str, item: Item) -> dict[str, Any]:
    """One row; the keys and their order are part of the public interface."""
    return {
        "application": application,
        "dataset": item.dataset,
        **path_form(item.path),
        "kind": item.kind,
        "size_bytes": item.size,
        "mtime_ns": item.mtime_ns,
        "class": item.state,
        "seq": item.seq,
        "sha256": None if item.sha256 is None else item.sha256.hex(),
        "verified_by": item.verified_by,
        "reason": item.reason,
    }
