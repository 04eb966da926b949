"""Writes what is made from the shape of a plan: the JSON Schema and the tables of the plan reference.

Run `python -m tests.support.plan_documents` after a change of the shape; a test compares the files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from migrator import planfile
from migrator.planfile.mapping import Mapping, bare, keys_of, shape_of
from migrator.planfile.shapes import PlanShape

PROJECT = Path(__file__).parents[2]
SCHEMA_FILE = PROJECT / "plans" / "migrator.schema.json"
REFERENCE_FILE = PROJECT / "docs" / "plan-reference.md"
BEGIN, END = "<!-- made from the shape of a plan: begin -->\n", "<!-- end -->\n"


def schema_text() -> str:
    return json.dumps(planfile.schema(), indent=2, ensure_ascii=False) + "\n"


def tables() -> str:
    """One section with a table for every mapping of a plan, outer ones first."""
    paths: dict[type[Mapping], list[str]] = {}
    for path, shape in mappings(PlanShape, "The plan"):
        paths.setdefault(shape, []).append(path)
    return "\n".join("\n".join(_section(places, shape)) for shape, places in paths.items()) + "\n"


def mappings(shape: type[Mapping], path: str) -> Iterator[tuple[str, type[Mapping]]]:
    """Every mapping of a plan with its path, as `waves[].applications[].freeze`."""
    yield path, shape
    for key, field in keys_of(shape).items():
        below = shape_of(field.annotation)
        if below is not None:
            kind = get_origin(bare(field.annotation))
            mark = "[]" if kind is list else ".NAME" if kind is dict else ""
            yield from mappings(below, f"{key}{mark}" if shape is PlanShape else f"{path}.{key}{mark}")


def _section(paths: list[str], shape: type[Mapping]) -> Iterator[str]:
    yield f"### {paths[0]}" if shape is PlanShape else f"### {', '.join(f'`{path}`' for path in paths)}"
    yield ""
    yield (shape.__doc__ or "").strip()
    yield ""
    yield "| key | default | means |"
    yield "| --- | --- | --- |"
    for key, field in keys_of(shape).items():
        yield f"| `{key}` | {_default(field)} | {_words(field)}{field.description} |"
    yield ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    default: Any = field.default
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float):
        return f"`{default:g}`"
    if isinstance(default, Mapping) or default in (None, [], {}):
        return ""
    return f"`{default}`"


def _words(field: FieldInfo) -> str:
    """The words a key takes, where it takes only some."""
    inner = bare(field.annotation)
    if get_origin(inner) is list:
        inner = bare(get_args(inner)[0])
    return " ".join(f"`{word}`" for word in get_args(inner)) + ". " if get_origin(inner) is Literal else ""


def reference_text(current: str) -> str:
    """The reference with its tables made anew, everything else as it is in `current`."""
    before, _, rest = current.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}{END}{after}"


def write() -> None:
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
    REFERENCE_FILE.write_text(reference_text(REFERENCE_FILE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
