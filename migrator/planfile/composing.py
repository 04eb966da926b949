"""YAML events become plain lists, mappings and text, with the place of every key and value kept beside them.

Nothing is guessed: each scalar stays the text that was written. What YAML could hide in a plan (anchors, aliases,
merges, tags, several documents, duplicate keys) is refused here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from migrator.planfile.reading import UNSEEN
from migrator.planfile.remarks import Place, Remark, quoted

DEEPEST = 32
MOST_VALUES = 60_000  # 300 applications, described at length, need half of it

Value = str | list["Value"] | dict[str, "Value"]
Loc = tuple[str | int, ...]

# The C parser is ten times as fast; a PyYAML built without libyaml has only the other one.
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Document:
    """One plan as plain values; `is_whole` is false when the text ended in a complaint before its end."""

    value: Value = ""
    values: dict[Loc, Place] = field(default_factory=dict)  # where each value begins
    keys: dict[Loc, Place] = field(default_factory=dict)  # where the key of each value begins
    remarks: list[Remark] = field(default_factory=list)
    spoiled: set[Loc] = field(default_factory=set)  # places with a complaint, whose value is not what was meant
    is_whole: bool = True

    def place(self, loc: Loc, *, of_key: bool = False) -> Place:
        """Where `loc` stands; where it is missing, the nearest mapping or list around it that is there."""
        if of_key and loc in self.keys:
            return self.keys[loc]
        for length in range(len(loc), -1, -1):
            if loc[:length] in self.values:
                return self.values[loc[:length]]
        return Place(1, 1)

    def is_spoiled(self, loc: Loc) -> bool:
        """Whether `loc` or something around it has been complained about already."""
        return any(loc[:length] in self.spoiled for length in range(1, len(loc) + 1))


def compose(text: str) -> Document:
    """The document in `text`, complaints included; never raises for anything that is written in it."""
    composer = _Composer(text)
    try:
        composer.run()
    except yaml.MarkedYAMLError as error:
        composer.stop(_place(error.problem_mark or error.context_mark), *_syntax(error))
    except yaml.YAMLError as error:
        composer.stop(Place(1, 1), f"not YAML: {error}", "check the text around here")
    except _Stopped:
        assert composer.document.remarks, "who stops has complained"
    return composer.document


class _Stopped(Exception):
    """The rest of the text is not worth reading; the complaint stands in the document."""


class _Composer:
    def __init__(self, text: str) -> None:
        self.document = Document()
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=_PARSER)
        self._count = 0

    def run(self) -> None:
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._end(event, "a second document begins here", "keep one document in a file, without `---`")
                if event.tags:
                    self._complain(event, "tags are not allowed in a plan", "remove the `%TAG` line")
                self.document.value = self._node(next(self._events), ())
        if self.document.value == "" and not self.document.remarks:
            self.stop(Place(1, 1), "the plan is empty", "begin with `migration: NAME`")

    def stop(self, place: Place, message: str, hint: str) -> None:
        self.document.remarks.append(Remark(place, message, hint))
        self.document.is_whole = False

    def _end(self, event: yaml.Event, message: str, hint: str) -> None:
        self.stop(_place(event.start_mark), message, hint)
        raise _Stopped

    def _complain(self, event: yaml.Event, message: str, hint: str) -> None:
        self.document.remarks.append(Remark(_place(event.start_mark), message, hint))

    def _node(self, event: yaml.Event, loc: Loc) -> Value:
        self._count += 1
        if self._count > MOST_VALUES:
            self._end(event, f"the plan holds more than {MOST_VALUES:,} values", "split it into several migrations")
        if len(loc) > DEEPEST:
            self._end(
                event, f"nested more than {DEEPEST} deep", "no part of a plan needs that; look for a stray bracket"
            )
        self.document.values[loc] = _place(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            self._complain(event, f"the alias {quoted(f'*{event.anchor}')} is not allowed in a plan", "write it out")
            self.document.spoiled.add(loc)
            return ""
        self._refuse_decorations(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(loc)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(loc)
        return self._scalar(event, loc)

    def _refuse_decorations(self, event: yaml.Event) -> None:
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor:
            self._complain(
                event, f"the anchor {quoted('&' + anchor)} is not allowed in a plan", "write it out each time"
            )
        if tag:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            self._complain(
                event, f"the tag {quoted(shown)} is not allowed in a plan", "remove it; every value is read as text"
            )

    def _scalar(self, event: yaml.Event, loc: Loc) -> str:
        assert isinstance(event, yaml.ScalarEvent)
        text: str = event.value
        unseen = UNSEEN.search(text)
        if unseen:
            # The text of the file holds none, so that it was written as an escape between double quotes.
            self._complain(event, f"the invisible character U+{ord(unseen[0]):04X}", "remove the escape")
            self.document.spoiled.add(loc)
        return text

    def _sequence(self, loc: Loc) -> list[Value]:
        found: list[Value] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            found.append(self._node(event, (*loc, len(found))))
        return found

    def _mapping(self, loc: Loc) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, (*loc, ""), found)
            if key is None:
                self._skip(next(self._events))
                continue
            self.document.keys[*loc, key] = _place(event.start_mark)
            found[key] = self._node(next(self._events), (*loc, key))
        return found

    def _key(self, event: yaml.Event, loc: Loc, found: dict[str, Value]) -> str | None:
        if not isinstance(event, yaml.ScalarEvent):
            self._complain(event, "a key must be a plain word", "write `key: value`")
            self._skip(event)
            return None
        self._refuse_decorations(event)
        key = self._scalar(event, loc)
        if event.implicit[0] and key == "<<":
            self._complain(event, "merges (`<<`) are not allowed in a plan", "write the keys out")
            self.document.spoiled.add(loc[:-1])
            return None
        if key in found:
            first = self.document.keys[*loc[:-1], key]
            self._complain(event, f"the key {quoted(key)} stands twice", f"it stands in line {first.line} already")
            return None
        return key

    def _skip(self, event: yaml.Event) -> None:
        depth = 0
        while True:
            self._count += 1
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth == 0:
                return
            if depth > DEEPEST or self._count > MOST_VALUES:
                self._end(event, "too much stands below a key that is not allowed", "remove it")
            event = next(self._events)


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark is not None else Place(1, 1)


def _syntax(error: yaml.MarkedYAMLError) -> tuple[str, str]:
    problem = error.problem or "something that does not fit"
    if "\\t" in problem or "character that cannot start any token" in problem:
        return f"not YAML: {problem}", "indent with spaces, never with tabs, and quote text that begins with a sign"
    if "mapping values are not allowed" in problem:
        return f"not YAML: {problem}", "quote text that holds `: `, and check the indentation"
    context = f" ({error.context})" if error.context else ""
    return f"not YAML: {problem}{context}", "check the indentation, brackets and quotes just before this place"
