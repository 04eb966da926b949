"""A first plan, written for somebody: YAML that loads, with a heading that says what is left to fill in."""

from __future__ import annotations

import itertools
import posixpath
import re
import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from migrator.errors import UsageError
from migrator.planfile.reading import UNSEEN

# What stands where nobody knows better: a folder that is on no machine, so that nothing is moved by mistake.
FILL_IN = "/FILL-IN"

_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 60
_WIDTH = 110


@dataclass(frozen=True, slots=True)
class Side:
    """A host, or this machine (None), as it is written in a plan."""

    host: str | None = None  # what ssh takes: a name, an address, an alias
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One tree of an application."""

    source: Side
    source_path: str
    target_path: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """An application that is to move."""

    name: str
    wave: str
    parts: tuple[Part, ...]
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything a first plan says."""

    migration: str
    target: Side
    candidates: tuple[Candidate, ...]
    drafted_from: str
    notes: tuple[str, ...] = ()


def text_of(draft: Draft) -> str:
    """The plan as YAML; it is valid, and what only a person knows is listed in its heading."""
    names = Names()
    target = names.of("endpoint", draft.target, draft.target.host or "new")
    endpoints: dict[str, Any] = {}
    owners: dict[str, Any] = {}
    waves: dict[str, list[dict[str, Any]]] = {}
    for candidate in draft.candidates:
        if candidate.owner:
            owners[names.of("owner", candidate.owner)] = {"name": candidate.owner}
        for part in candidate.parts:
            endpoints[_source_name(names, part.source)] = _endpoint(part.source)
        waves.setdefault(names.of("wave", candidate.wave), []).append(_application(names, candidate, target))
    endpoints[target] = _endpoint(draft.target)
    plan: dict[str, Any] = {"migration": slug(draft.migration).lower().replace("_", "-").replace(".", "-")}
    if owners:
        plan["owners"] = owners
    plan |= {"endpoints": endpoints, "waves": [{"name": name, "applications": some} for name, some in waves.items()]}
    body = yaml.dump(plan, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    # Each on one line of its own, whatever names of columns and files hold: nothing may leave the comment.
    heading = (" ".join(UNSEEN.sub("", line).split()) for line in _heading(draft))
    return "".join(f"# {line}".rstrip() + "\n" for line in heading) + body


def slug(text: str) -> str:
    """`text` as a name that a plan allows; `unnamed` when nothing is left of it."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return _NO_NAME.sub("-", plain).strip("-._")[:_LONGEST_NAME].rstrip("-._") or "unnamed"


def of_one(migration: str, application: str, source: str, target: str) -> Draft:
    """A plan for one application, from `source` to `target`; UsageError for what is no place."""
    source_side, source_path = _place(source)
    target_side, target_path = _place(target)
    part = Part(source_side, source_path, target_path)
    return Draft(migration, target_side, (Candidate(application, "first", (part,)),), "what was answered")


def side(text: str) -> Side:
    """`[user@]host` as the side of a move. Raises UsageError."""
    user, _, host = text.rpartition("@")
    if not host or any(character.isspace() for character in text):
        raise UsageError(f"`{text}` is no host", hint="write it as ssh does: `host`, `user@host`, or an alias")
    return Side(host, user or None)


def absolute(path: str) -> str:
    """The path, which has to be one from `/` on; UsageError otherwise."""
    if not path.startswith("/") or ".." in path.split("/"):
        raise UsageError(f"the path `{path}` is not absolute", hint="write it from `/` on, without `..`")
    return path


def _place(text: str) -> tuple[Side, str]:
    host, colon, path = text.strip().partition(":")
    if not colon:
        return Side(), absolute(text.strip())
    return side(host), absolute(path)


class Names:
    """Names of a plan: the same thing always has the same name, and two things of a kind never share one."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Hashable], str] = {}
        self._taken: set[tuple[str, str]] = set()

    def of(self, kind: str, thing: Hashable, text: str = "") -> str:
        """The name of `thing`, after `text`, or after itself when it is a text."""
        if (kind, thing) not in self._known:
            plain = slug(text or str(thing))
            candidates = itertools.chain([plain], (f"{plain}-{number}" for number in itertools.count(2)))
            name = next(each for each in candidates if (kind, each) not in self._taken)
            self._taken.add((kind, name))
            self._known[kind, thing] = name
        return self._known[kind, thing]


class _Dumper(yaml.SafeDumper):
    """Lists indented below their key, and no anchors, which plans may not have."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base class's
        return True


def _heading(draft: Draft) -> Iterable[str]:
    yield f"Drafted from {draft.drafted_from}. Nothing was looked at: no host was contacted."
    yield from _unknown(draft)
    yield from draft.notes
    yield "Then: `migrator plan` with this file, until it has nothing more to say."


def _unknown(draft: Draft) -> Iterable[str]:
    paths = sum(FILL_IN in part.source_path for each in draft.candidates for part in each.parts)
    if paths:
        yield f"To fill in: the folder at the source in {paths} place{'s' * (paths > 1)}, where {FILL_IN} stands."
    yield "To add where it applies: `freeze` (how writes at the source are stopped), `switch` (how users are sent to"
    yield "the target), `checks` (how one sees that it works), and the waves' `window` and `cutover` hours."


def _source_name(names: Names, side: Side) -> str:
    return names.of("endpoint", (side, "source"), side.host or "old")


def _endpoint(side: Side) -> Mapping[str, Any]:
    if side.host is None:
        return {"local": True}
    return {"ssh": {"host": side.host} | ({"user": side.user} if side.user else {})}


def _application(names: Names, candidate: Candidate, target: str) -> dict[str, Any]:
    application: dict[str, Any] = {"name": names.of("application", candidate.name)}
    if candidate.owner:
        application["owner"] = names.of("owner", candidate.owner)
    application["datasets"] = _datasets(names, candidate.parts, target)
    return application


def _datasets(names: Names, parts: Sequence[Part], target: str) -> list[dict[str, str]]:
    taken: dict[str, int] = {}
    datasets = []
    for part in parts:
        name = "files" if len(parts) == 1 else slug(posixpath.basename(part.target_path))
        taken[name] = taken.get(name, 0) + 1
        datasets.append(
            {
                "name": name if taken[name] == 1 else f"{name}-{taken[name]}",
                "source": f"{_source_name(names, part.source)}:{part.source_path}",
                "target": f"{target}:{part.target_path}",
            }
        )
    return datasets
