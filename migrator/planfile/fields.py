"""The kinds of value a plan holds: text in, checked and normalised values out, complaints in plain words.

A complaint is the rest of a sentence that begins with the key: "must be a whole number, not `many`".
"""

from __future__ import annotations

import datetime as dt
import math
import posixpath
import re
import zoneinfo
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import pytimeparse2  # type: ignore[import-untyped] # it ships neither stubs nor py.typed
from pathspec import GitIgnoreSpec
from pydantic import AfterValidator, ByteSize, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError, core_schema

from migrator.planfile.remarks import did_you_mean, quoted

T = TypeVar("T", bound=str)

COMPLAINT = "plan"  # the type of every error made here, by which `wording` knows it

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Names become file names in the state folder, with a suffix.
_LONGEST_NAME = 100
_LONGEST_NUMBER = 40
_LARGEST_RATE = 10**15
_LONGEST_DURATION = 366 * 86400

NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"
_NAME = re.compile(NAME)
_MIGRATION = re.compile("[a-z0-9][a-z0-9-]*")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])\s*-\s*(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_SHARE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(%?)")
_RATE = re.compile(r"(.*?)\s*/\s*s(?:ec|econd)?")
_BYTES = TypeAdapter(ByteSize)


def wrong(message: str, hint: str) -> PydanticCustomError:
    """An error whose sentence is `message`, to be led by the key it is about."""
    return PydanticCustomError(COMPLAINT, "{message}", {"message": message, "hint": hint})


def as_text(value: object) -> str:
    """`value` if it is text with something in it."""
    if not isinstance(value, str):
        found = "a list" if isinstance(value, list) else "a mapping"
        raise wrong(f"must be text, not {found}", "write one word, in quotes if need be")
    if not value.strip():
        raise wrong("is empty", "write a value, or remove the key")
    return value


def _as_line(value: object) -> str:
    text = as_text(value)
    if "\n" in text or "\t" in text:
        raise wrong(f"must stand in one line, without tabs: {quoted(text)}", "check the quotes")
    return text


def as_name(value: object) -> str:
    """A name: what `NAME` allows, at most 100 characters."""
    text = as_text(value)
    if not _NAME.fullmatch(text) or len(text) > _LONGEST_NAME:
        raise wrong(
            f"must begin with a letter or digit, go on with letters, digits, `.`, `_` and `-`, and have at most "
            f"{_LONGEST_NAME} characters, not {quoted(text)}",
            "choose a plain name; it also names files",
        )
    return text


def _as_migration(value: object) -> str:
    text = as_text(value)
    if not _MIGRATION.fullmatch(text) or len(text) > _LONGEST_NAME:
        raise wrong(
            f"must be lower-case letters, digits and `-`, beginning with a letter or digit, not {quoted(text)}",
            "it names the folder below the state, for instance `paris-2018`",
        )
    return text


def _whole(smallest: int, largest: int, why: str = "") -> Callable[[object], int]:
    def convert(value: object) -> int:
        text = as_text(value)
        if not _WHOLE.fullmatch(text):
            raise wrong(f"must be a whole number, not {quoted(text)}", f"between {smallest} and {largest}")
        number = int(text)
        if not smallest <= number <= largest:
            reason = f": {why}" if why and number < smallest else ""
            raise wrong(f"must be between {smallest} and {largest}, not {number}{reason}", "choose another number")
        return number

    return convert


def _as_flag(value: object) -> bool:
    text = as_text(value)
    if text not in {"true", "false"}:
        raise wrong(f"must be `true` or `false`, not {quoted(text)}", "write it in lower case, without quotes")
    return text == "true"


def seconds(value: object) -> float:
    """A duration in seconds, from `90`, `90 s`, `2h`, `1h30m`."""
    text = as_text(value)
    # Colons are refused because 22:30 could be minutes or hours.
    parsed = None if ":" in text or len(text) > _LONGEST_NUMBER else pytimeparse2.parse(text)
    if not isinstance(parsed, int | float) or not math.isfinite(parsed):
        raise wrong(f"must be a duration, not {quoted(text)}", "for instance `90 s`, `2 min`, `48h`")
    if not 0 <= parsed <= _LONGEST_DURATION:
        raise wrong(f"must be between nothing and a year, not {quoted(text)}", "for instance `90 s`, `2 min`, `48h`")
    return float(parsed)


def _as_timeout(value: object) -> float:
    found = seconds(value)
    if found < 1:
        raise wrong(f"must be at least a second, not {quoted(as_text(value))}", "for instance `2 min`")
    return found


def _as_rate(value: object) -> int:
    text = as_text(value)
    hint = "for instance `50 MB/s`; MB is 10^6 bytes, MiB is 2^20"
    match = _RATE.fullmatch(text)
    try:
        if match is None or len(text) > _LONGEST_NUMBER:
            raise wrong(f"must be a rate, bytes a second, not {quoted(text)}", hint)
        rate = int(_BYTES.validate_python(match[1]))
    except (ValidationError, OverflowError) as error:
        raise wrong(f"must be a rate, bytes a second, not {quoted(text)}", hint) from error
    if not 1 <= rate <= _LARGEST_RATE:
        raise wrong(f"must be a rate above nothing that a network can have, not {quoted(text)}", hint)
    return rate


def _as_share(value: object) -> float:
    text = as_text(value)
    match = _SHARE.fullmatch(text)
    share = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= share <= 1:
        raise wrong(f"must be a share, not {quoted(text)}", "between `0 %` and `100 %`, or between 0 and 1")
    return share


def _as_date(value: object) -> dt.date:
    text = as_text(value)
    if not _DATE.fullmatch(text):
        raise wrong(f"must be a day, not {quoted(text)}", "write year, month, day: `2018-07-14`")
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise wrong(
            f"must be a day, not {quoted(text)}: the calendar has no such day", "check month and day"
        ) from error


def _as_days(value: object) -> list[int]:
    """Days of the week, sorted, 0 is Monday; from `sat`, `mon-fri`, or a list of these."""
    items = value if isinstance(value, list) else [value]
    if not items:
        raise wrong("is an empty list", f"name days: {', '.join(DAYS)}")
    return sorted({day for item in items for day in _day_range(as_text(item))})


def _day_range(text: str) -> Iterable[int]:
    first, dash, last = text.partition("-")
    for word in (first, last) if dash else (first,):
        if word.strip() not in DAYS:
            hint = did_you_mean(word.lower()[:3], DAYS, f"the days are {', '.join(DAYS)}")
            raise wrong(f"must be days of the week, not {quoted(text)}", hint)
    start = DAYS.index(first.strip())
    count = (DAYS.index(last.strip()) - start) % 7 + 1 if dash else 1
    return ((start + offset) % 7 for offset in range(count))


def _as_hours(value: object) -> str:
    text = as_text(value)
    match = _HOURS.fullmatch(text.strip())
    if match is None:
        raise wrong(f"must be hours, not {quoted(text)}", "from and to, for instance `22:00-06:00`")
    start = f"{match[1]}:{match[2]}"
    end = f"{match[3]}:{match[4]}" if match[3] else "00:00"
    if start == end and match[3]:
        raise wrong(f"must not begin and end at once: {quoted(text)}", "a whole day is `00:00-24:00`")
    return f"{start}-{end}"


def _as_timezone(value: object) -> str:
    text = as_text(value)
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = sorted(name for name in zoneinfo.available_timezones() if name[0] == text[0].upper())
        hint = did_you_mean(text, near, "for instance `Europe/Paris`, or `UTC`")
        raise wrong(f"must be a time zone of the IANA database, not {quoted(text)}", hint) from error
    return text


def _as_absolute(value: object) -> str:
    text = _as_line(value)
    if not text.startswith("/"):
        raise wrong(f"must be an absolute path, not {quoted(text)}", "begin with `/`")
    return _tidy(text)


def _as_location(value: object) -> str:
    """`endpoint:/path`, with doubled and trailing slashes removed."""
    text = _as_line(value)
    endpoint, colon, path = text.partition(":")
    if not colon or not path or not _NAME.fullmatch(endpoint):
        raise wrong(f"must be an endpoint and a path, not {quoted(text)}", "for instance `legacy-web:/var/www/eau`")
    if ".." in path.split("/"):
        raise wrong(f"must not go up with `..`: {quoted(text)}", "write the path it means")
    if path.startswith("~"):
        raise wrong(f"must not begin with `~`, which nobody expands there: {quoted(text)}", "write the whole path")
    return f"{endpoint}:{_tidy(path)}"


def _tidy(path: str) -> str:
    # POSIX lets two leading slashes mean something else; nobody means that here.
    return posixpath.normpath("/" + path.lstrip("/") if path.startswith("/") else path)


def _as_rule(value: object) -> str:
    text = _as_line(value)
    try:
        GitIgnoreSpec.from_lines([text])
    except (ValueError, re.error) as error:
        hint = "a rule is as in a .gitignore file, for instance `cache/` or `*.tmp`"
        raise wrong(f"must be a gitignore rule, not {quoted(text)}", hint) from error
    return text


def _as_argv(value: object) -> list[str]:
    hint = "write a list, one argument an item, for instance `[systemctl, stop, portail]`; no shell reads it"
    if not isinstance(value, list):
        raise wrong("must be a list of arguments, not a shell string", hint)
    if not value:
        raise wrong("is an empty list of arguments", hint)
    if not all(isinstance(item, str) for item in value):
        raise wrong("must be a list of arguments, each of them text", hint)
    as_text(value[0])
    return value


@dataclass(frozen=True, eq=False)
class Reads:
    """Marks a type of the plan: how its text becomes a value, and what the JSON Schema says about the text."""

    convert: Callable[[object], object]
    schema: dict[str, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """The conversion, then the strict check of the type it is to have."""
        return core_schema.no_info_before_validator_function(self.convert, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema of the text, not of the value."""
        return dict(self.schema)


def whole_number(smallest: int, largest: int, why: str = "") -> Reads:
    """A whole number within limits; `why` is given to whoever goes below."""
    return Reads(_whole(smallest, largest, why), {"type": "integer", "minimum": smallest, "maximum": largest})


def in_order(names: list[T]) -> list[T]:
    """The words of a list whose order says nothing, each once."""
    return sorted(set(names))


_TEXT_OR_NUMBER = {"type": ["string", "number"]}
_DAY = {"type": "string", "pattern": "^(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))?$"}
_DAYS = {"anyOf": [_DAY, {"type": "array", "items": _DAY, "minItems": 1}]}
_ARGV = {"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean"]}}
_CLOCK = "([01][0-9]|2[0-4]):[0-5][0-9]"

Text = Annotated[str, Reads(_as_line, {"type": "string", "minLength": 1})]
Name = Annotated[str, Reads(as_name, {"type": "string", "pattern": f"^{NAME}$", "maxLength": _LONGEST_NAME})]
MigrationName = Annotated[str, Reads(_as_migration, {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$"})]
Flag = Annotated[bool, Reads(_as_flag, {"type": "boolean"})]
Duration = Annotated[float, Reads(seconds, _TEXT_OR_NUMBER)]
Timeout = Annotated[float, Reads(_as_timeout, _TEXT_OR_NUMBER)]
Rate = Annotated[int, Reads(_as_rate, {"type": "string", "pattern": "/ *s"})]
Share = Annotated[float, Reads(_as_share, _TEXT_OR_NUMBER)]
Date = Annotated[dt.date, Reads(_as_date, {"type": "string", "format": "date"})]
Days = Annotated[list[int], Reads(_as_days, _DAYS)]
Hours = Annotated[str, Reads(_as_hours, {"type": "string", "pattern": f"^{_CLOCK} *- *{_CLOCK}$"})]
Timezone = Annotated[str, Reads(_as_timezone, {"type": "string"})]
File = Annotated[str, Reads(_as_line, {"type": "string", "minLength": 1})]
AbsolutePath = Annotated[str, Reads(_as_absolute, {"type": "string", "pattern": "^/"})]
Location = Annotated[str, Reads(_as_location, {"type": "string", "pattern": f"^{NAME}:.+$"})]
Names = Annotated[list[Name], AfterValidator(in_order)]
Rule = Annotated[str, Reads(_as_rule, {"type": "string", "minLength": 1})]
Argv = Annotated[list[str], Reads(_as_argv, _ARGV)]
