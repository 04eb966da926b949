"""A CSV inventory of servers and applications, as a draft of a plan.

Understood are the columns of AWS Migration Hub's import (`HostName`, `IPAddress`, `Applications`, `ApplicationWave`),
of AWS Application Migration Service (`mgn:app:name`, `mgn:wave:name`, `mgn:server:fqdn-for-action-framework`), of Azure
Migrate's import (`*Server name`, `IP addresses`), and plain ones (`application`, `host`, `path`, `target`, `wave`,
`owner`). Upper and lower case, spaces, underscores and asterisks make no difference. Other columns are left out, and
named.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from migrator.domain.entries import display
from migrator.errors import UsageError
from migrator.planfile.draft import FILL_IN, Candidate, Draft, Names, Part, Side, absolute, side, slug
from migrator.planfile.reading import UNSEEN

# By what it means: the columns that may say so, the surest first.
_COLUMNS = {
    "application": ("application", "applications", "applicationname", "app", "mgnappname", "service", "workload"),
    "host": (
        "host", "hostname", "server", "servername", "fqdn", "mgnserverfqdnforactionframework", "vmwarevmname", "vmname",
        "machine", "ipaddress", "ipaddresses", "ip",
    ),
    "path": ("path", "sourcepath", "source", "folder", "directory", "documentroot"),
    "target": ("target", "targetpath", "destination", "destinationpath"),
    "wave": ("wave", "applicationwave", "mgnwavename", "migrationwave", "lot", "batch"),
    "owner": ("owner", "businessowner", "applicationowner", "contact", "department"),
}  # fmt: skip
_HINT_COLUMNS = "the first line names the columns; one of `application` and `host` has to be there"
_LIMIT_BYTES = 16 * 1024 * 1024
_SEPARATORS = re.compile(r"[;,|]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an inventory does not say: where everything goes, and how many applications move together."""

    migration: str
    target: Side
    target_root: str
    wave_size: int  # applications, where the inventory has no waves


@dataclass
class _Found:
    """What the rows say of one application."""

    places: dict[tuple[str, str, str], None] = field(default_factory=dict)  # host, path, target path: a set in order
    waves: dict[str, None] = field(default_factory=dict)
    owners: dict[str, None] = field(default_factory=dict)


def draft_from(path: Path, wanted: Wanted) -> Draft:
    """The plan that the inventory at `path` suggests. Raises UsageError for what is no such inventory."""
    rows, left_out = _rows(path)
    found: dict[str, _Found] = {}
    for row in rows:
        for name in _applications(row):
            known = found.setdefault(name, _Found())
            known.places[row["host"], row["path"], row["target"]] = None
            known.waves |= {row["wave"]: None} if row["wave"] else {}
            known.owners |= {row["owner"]: None} if row["owner"] else {}
    if not found:
        raise UsageError(f"the inventory {_shown(path)} lists nothing", hint=_HINT_COLUMNS)
    return Draft(
        wanted.migration,
        wanted.target,
        tuple(_candidates(found, wanted)),
        path.name,
        tuple(_notes(found, left_out)),
    )


def _notes(found: Mapping[str, _Found], left_out: Sequence[str]) -> Iterator[str]:
    if left_out:
        yield f"Left out: the column{'s' * (len(left_out) > 1)} {', '.join(left_out)}."
    for name, known in found.items():
        for what, several in (("wave", known.waves), ("owner", known.owners)):
            if len(several) > 1:
                yield f"`{name}` has more than one {what} there ({', '.join(several)}): the first was taken."


def _candidates(found: Mapping[str, _Found], wanted: Wanted) -> Iterator[Candidate]:
    """The applications, those without a wave in waves of their own, a few at a time."""
    names, without = Names(), 0
    for name, known in found.items():
        wave = next(iter(known.waves), "")
        if not wave:
            wave = f"wave-{without // wanted.wave_size + 1}"
            without += 1
        below = f"{wanted.target_root.rstrip('/')}/{names.of('folder', name)}"
        owner = next(iter(known.owners), "")
        yield Candidate(name, wave, tuple(_parts(name, known, below, names)), owner)


def _parts(name: str, known: _Found, below: str, names: Names) -> Iterator[Part]:
    for host, path, target in known.places:
        own = below
        if len(known.places) > 1:
            own = f"{below}/{names.of(below, (host, path, target), host or path or name)}"
        source = path or f"{FILL_IN}/{slug(name)}"
        yield Part(side(host) if host else Side(), absolute(source), absolute(target or own))


def _applications(row: Mapping[str, str]) -> list[str]:
    """The applications of a row; a server that serves none is one itself."""
    names = [name for each in _SEPARATORS.split(row["application"]) if (name := each.strip())]
    return names or [row["host"]] * bool(row["host"])


def _rows(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Every row by what its columns mean, and the columns that mean nothing here."""
    text = _text(path)
    first = text.partition("\n")[0]
    try:
        # As the spreadsheets of this world write it: the separator is the one that the heading has most of.
        lines = csv.reader(text.splitlines(keepends=True), delimiter=max(",;\t", key=first.count), strict=True)
        header = next(lines, [])
        meaning = {what: _columns_of(header, names) for what, names in _COLUMNS.items()}
        if not meaning["application"] and not meaning["host"]:
            raise UsageError(f"the inventory {_shown(path)} has neither applications nor hosts", hint=_HINT_COLUMNS)
        rows = [{what: _first(row, columns) for what, columns in meaning.items()} for row in lines]
    except csv.Error as error:
        raise UsageError(f"{_shown(path)} is no CSV: {error}", hint="save the sheet as CSV, UTF-8") from error
    used = {column for columns in meaning.values() for column in columns}
    return rows, [name.strip() for at, name in enumerate(header) if at not in used and name.strip()]


def _columns_of(header: Sequence[str], names: Sequence[str]) -> tuple[int, ...]:
    """Where the columns of one meaning stand, the surest first."""
    plain = [re.sub("[^a-z0-9]", "", column.lower()) for column in header]
    return tuple(plain.index(name) for name in names if name in plain)


def _first(row: Sequence[str], columns: Sequence[int]) -> str:
    """The first of these columns that says something, without what nobody can see."""
    cells = (UNSEEN.sub("", row[at]).strip() for at in columns if at < len(row))
    return next((cell for cell in cells if cell), "")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise UsageError(f"the inventory {_shown(path)} is larger than 16 MiB", hint="split it")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"the inventory {_shown(path)} cannot be read: {error.strerror}", hint="check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the inventory {_shown(path)} is not UTF-8", hint="save the sheet as CSV, UTF-8") from error


def _shown(path: Path) -> str:
    return display(os.fsencode(path))
