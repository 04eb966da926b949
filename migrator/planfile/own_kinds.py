"""Kinds of switch that other packages bring, by the entry-point group `migrator.switches` (docs/own-switches.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic_core import PydanticCustomError

from migrator.domain.entries import display
from migrator.planfile.effect_shapes import SwitchShape
from migrator.planfile.fields import seconds
from migrator.planfile.finding import At, Problem, applications_of
from migrator.planfile.mapping import keys_of
from migrator.planfile.remarks import did_you_mean, listed, quoted

GROUP = "migrator.switches"
TIMEOUT = "timeout"  # the one key of an own switch that is ours: how long each of its acts may take
_LONGEST_WORDS = 300
_VERBS = ("apply", "probe", "undo")


def own_kinds() -> dict[str, EntryPoint]:
    """Every kind that an installed package brings; a name of our own is not replaced."""
    return {found.name: found for found in entry_points(group=GROUP) if found.name not in keys_of(SwitchShape)}


def package_of(found: EntryPoint) -> str:
    """The package that brings it, with its version, for people."""
    return f"{found.dist.name} {found.dist.version}" if found.dist else "an unnamed package"


def own_switch_rules(plan: At) -> Iterator[Problem]:
    """Each kind of switch is ours or an installed package's, can be asked whether it is in place, and likes its keys.

    A package is loaded only when the plan names its kind.
    """
    kinds: dict[str, EntryPoint] | None = None
    known = list(keys_of(SwitchShape))
    for _, application in applications_of(plan):
        for item in application.key("switch").items():
            for name, switch in item.entries().items():
                if name not in known:
                    kinds = own_kinds() if kinds is None else kinds
                    yield from _problems(name, switch, kinds, known)


def _problems(name: str, switch: At, kinds: Mapping[str, EntryPoint], known: list[str]) -> Iterator[Problem]:
    if name not in kinds:
        hint = did_you_mean(name, [*known, *kinds], f"the keys here are {listed([*known, *sorted(kinds)])}")
        yield Problem(switch.loc, f"unknown key {quoted(name)}", hint, of_key=True)
        return
    if not isinstance(switch.value, dict):
        yield Problem(switch.loc, f"{quoted(name)} must be a mapping", "write `key: value` lines, indented below it")
        return
    timeout = switch.key(TIMEOUT)
    if timeout.is_there:
        try:
            seconds(timeout.value)
        except PydanticCustomError as error:
            context = error.context or {}
            yield Problem(timeout.loc, f"`{TIMEOUT}` {context['message']}", context["hint"])
    sentence = _unfit(kinds[name], switch.value)
    if sentence is not None:
        yield Problem(
            switch.loc, f"{quoted(name)} {sentence}", f"it comes from the package `{package_of(kinds[name])}`"
        )


def _unfit(found: EntryPoint, settings: Mapping[str, Any]) -> str | None:
    """What is wrong with the kind, or with its settings, as the rest of a sentence; None when nothing is."""
    try:
        kind = found.load()
        missing = [verb for verb in _VERBS if not callable(getattr(kind, verb, None))]
        if missing:
            return f"has no {listed(missing)}: every switch can be applied, asked whether it is in place, and undone"
        if hasattr(kind, "check"):
            return _complaint(kind.check, own_settings(settings))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is another package's code: whatever it does is told
        return f"is not fit for use: {told(error)}"
    return None


def _complaint(check: Callable[[dict[str, Any]], object], settings: dict[str, Any]) -> str | None:
    try:
        check(settings)
    except ValueError as error:
        return _one_line(error) or "has settings that make no sense"
    return None


def own_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the package gets to see of its switch."""
    return {key: value for key, value in settings.items() if key != TIMEOUT}


def told(error: BaseException) -> str:
    """An exception of another package's code in one line, safe on a terminal."""
    return f"{type(error).__name__}: {_one_line(error)}".rstrip(": ")


def _one_line(error: BaseException) -> str:
    """What an exception says, in one line, short and safe on a terminal."""
    return display(" ".join(str(error).split())[:_LONGEST_WORDS].encode("utf-8", "surrogateescape"))
