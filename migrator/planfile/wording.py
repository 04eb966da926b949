"""What pydantic finds wrong, in plain sentences, at the place in the text where it stands."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from migrator.planfile.composing import Document, Loc
from migrator.planfile.fields import COMPLAINT
from migrator.planfile.mapping import keys_of, shape_at
from migrator.planfile.remarks import Remark, did_you_mean, listed, quoted
from migrator.planfile.shapes import PlanShape

# How pydantic marks that a key of a mapping is meant, and not its value.
_KEY_MARK = "[key]"
_WANTED = {
    "string_type": ("text", "write one word, in quotes if need be"),
    "list_type": ("a list", "write `[one, two]`, or one `- item` a line; `[]` is the empty list"),
    "dict_type": ("a mapping", "write `key: value` lines, indented below it"),
    "model_type": ("a mapping", "write `key: value` lines, indented below it"),
}


def shape_remarks(document: Document, error: ValidationError) -> Iterator[Remark]:
    """One remark for each of pydantic's findings, except where the text has been complained about already."""
    for detail in error.errors(include_url=False):
        loc, of_key = _position(document, detail)
        if document.is_spoiled(loc):
            continue
        message, hint = _sentence(detail, loc, of_key=of_key)
        yield Remark(document.place(loc, of_key=of_key), message, hint)


def _position(document: Document, detail: ErrorDetails) -> tuple[Loc, bool]:
    loc: Loc = detail["loc"]
    if len(loc) > 1 and loc[-1] == _KEY_MARK and loc not in document.values:
        return loc[:-1], True
    if detail["type"] in {"extra_forbidden", "missing"}:
        return loc, detail["type"] == "extra_forbidden"
    # A mapping in its short form: pydantic names a key that was not written.
    while loc and loc not in document.values:
        loc = loc[:-1]
    return loc, False


def _sentence(detail: ErrorDetails, loc: Loc, *, of_key: bool) -> tuple[str, str]:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(loc)
    if kind == "missing":
        return _missing_key(loc)
    context = detail.get("ctx", {})
    label = f"a name in {_label(loc[:-1])}" if of_key else _label(loc)
    if kind == COMPLAINT:
        return f"{label} {context['message']}", context["hint"]
    if kind == "literal_error":
        return _unknown_word(label, detail["input"], str(context["expected"]))
    if kind in _WANTED:
        wanted, hint = _WANTED[kind]
        return _not_wanted(label, wanted, detail["input"]), hint
    return f"{label}: {detail['msg']}", "see the plan reference"


def _unknown_key(loc: Loc) -> tuple[str, str]:
    shape = shape_at(PlanShape, loc[:-1])
    known = list(keys_of(shape)) if shape else []
    key = str(loc[-1])
    return f"unknown key {quoted(key)}", did_you_mean(key, known, f"the keys here are {listed(known)}")


def _missing_key(loc: Loc) -> tuple[str, str]:
    shape, key = shape_at(PlanShape, loc[:-1]), str(loc[-1])
    field = keys_of(shape).get(key) if shape else None
    meaning = field.description if field else None
    return f"{quoted(key)} is missing", f"add {quoted(key)}: {meaning or 'it is required'}".rstrip(".")


def _unknown_word(label: str, word: object, expected: str) -> tuple[str, str]:
    words = [part.strip("' ") for part in expected.replace(" or ", ", ").split(",")]
    return _not_wanted(label, f"one of {listed(words)}", word), did_you_mean(str(word), words, "choose one of them")


def _not_wanted(label: str, wanted: str, found: object) -> str:
    if found == "":
        return f"{label} is empty, and must be {wanted}"
    kind = "a list" if isinstance(found, list) else "a mapping" if isinstance(found, dict) else quoted(str(found))
    return f"{label} must be {wanted}, not {kind}"


def _label(loc: Loc) -> str:
    if not loc:
        return "the plan"
    if isinstance(loc[-1], int):
        return f"item {loc[-1] + 1} of {_label(loc[:-1])}"
    return quoted(loc[-1])
