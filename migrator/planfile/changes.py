"""How two contents of a plan differ, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from migrator.planfile.remarks import quoted

_OWN_LINES = frozenset({"owners", "endpoints", "waves"})
# Lists whose items are known by name, and the word for one of them.
_NAMED = {"datasets": "dataset"}


def differences(old_content: str, new_content: str) -> tuple[str, ...]:
    """One sentence for each difference between two `Plan.content`; empty when there is none."""
    return tuple(_plan(json.loads(old_content), json.loads(new_content)))


def _plan(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    yield from _keys("", "", _without(old, _OWN_LINES), _without(new, _OWN_LINES))
    for key, word in (("owners", "owner"), ("endpoints", "endpoint")):
        yield from _things(word, old.get(key, {}), new.get(key, {}))
    old_waves, new_waves = _by_name(old.get("waves", [])), _by_name(new.get("waves", []))
    inside = frozenset({"applications", "name"})
    yield from _things("wave", _trimmed(old_waves, inside), _trimmed(new_waves, inside))
    yield from _order("the order of waves", old_waves, new_waves)
    yield from _applications(old_waves, new_waves)


def _things(word: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for name in _all_keys(old, new):
        label = f"{word} {quoted(name)}"
        if name not in new:
            yield f"{label} removed"
        elif name not in old:
            yield f"{label} added"
        else:
            yield from _keys(f"{label}: ", "", old[name], new[name])


def _applications(old_waves: dict[str, Any], new_waves: dict[str, Any]) -> Iterator[str]:
    old, new = _placed(old_waves), _placed(new_waves)
    for name in _all_keys(old, new):
        label = f"application {quoted(name)}"
        if name not in new:
            yield f"wave {quoted(old[name][0])}: {label} removed"
            continue
        wave, application = new[name]
        if name not in old:
            yield f"wave {quoted(wave)}: {label} added"
            continue
        if old[name][0] != wave:
            yield f"{label} moved from wave {quoted(old[name][0])} to wave {quoted(wave)}"
        yield from _keys(f"wave {quoted(wave)}, {label}: ", "", old[name][1], application)
    for name in old_waves.keys() & new_waves.keys():
        before, after = (_by_name(waves[name].get("applications", [])) for waves in (old_waves, new_waves))
        yield from _order(f"wave {quoted(name)}: the order of applications", before, after)


def _keys(where: str, path: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for key in _all_keys(old, new):
        yield from _value(where, f"{path}.{key}" if path else key, old.get(key), new.get(key))


def _value(where: str, path: str, old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    if path in _NAMED:
        yield from _named(where, _NAMED[path], _by_name(old or []), _by_name(new or []))
    elif old is None:
        yield f"{where}{path} set to {_shown(new)}"
    elif new is None:
        yield f"{where}{path} no longer set, it was {_shown(old)}"
    elif isinstance(old, dict) and isinstance(new, dict):
        yield from _keys(where, path, old, new)
    elif _holds_mappings(old) and _holds_mappings(new):
        # What an effect of a list is called depends on its place: first, second ...
        for index in range(max(len(old), len(new))):
            before, after = (items[index] if index < len(items) else None for items in (old, new))
            yield from _value(where, f"{path} {index + 1}", before, after)
    else:
        yield f"{where}{path} changed from {_shown(old)} to {_shown(new)}"


def _named(where: str, word: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for sentence in _things(word, old, new):
        yield where + sentence
    yield from _order(f"{where}the order of {word}s", old, new)


def _order(what: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    common = old.keys() & new.keys()
    before, after = ([name for name in names if name in common] for names in (old, new))
    if before != after:
        yield f"{what} changed from {_shown(before)} to {_shown(after)}"


def _placed(waves: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    return {each["name"]: (name, each) for name, wave in waves.items() for each in wave.get("applications", [])}


def _by_name(things: list[dict[str, Any]]) -> dict[str, Any]:
    return {thing["name"]: thing for thing in things}


def _trimmed(things: dict[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {name: _without(thing, keys) for name, thing in things.items()}


def _without(mapping: dict[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in keys}


def _all_keys(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys([*old, *new]))


def _holds_mappings(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _shown(value: Any) -> str:
    if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        return quoted(", ".join(str(item) for item in value))
    return quoted(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True))
