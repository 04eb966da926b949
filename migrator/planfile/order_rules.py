"""Rules about names and order: everything is named once, owners exist, and needs can be met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from migrator.domain.phases import Gate
from migrator.planfile.finding import At, Problem, applications_of
from migrator.planfile.needs import Needs, cycles, ordered
from migrator.planfile.remarks import did_you_mean, quoted

DEFAULT_OWNER = "default"


def name_rules(plan: At) -> Iterator[Problem]:
    """Waves and applications are unique in the plan, datasets in their application; owners and gates make sense."""
    yield from _unique("wave", plan.key("waves").items())
    yield from _unique("application", (application for _, application in applications_of(plan)))
    owners = plan.key("owners").entries()
    for _, application in applications_of(plan):
        yield from _unique("dataset", application.key("datasets").items())
        owner = application.key("owner")
        if owner.text() and owner.text() != DEFAULT_OWNER and owner.text() not in owners:
            hint = did_you_mean(owner.text(), owners, "name it in `owners`, with its full name")
            yield Problem(owner.loc, f"there is no owner {quoted(owner.text())}", hint)
        yield from _gates(application)


def order_rules(plan: At) -> Iterator[Problem]:
    """What is needed exists, and nothing waits for itself, nor for a later wave."""
    waves = _first_of(plan.key("waves").items())
    applications = _first_of(each for _, each in applications_of(plan))
    for kind, things in (("wave", waves), ("application", applications)):
        yield from _unknown(kind, things)
        yield from _circles(f"{kind}s", _known_needs(things), things)
    wave_of = {each.loc: wave.key("name").text() for wave, each in applications_of(plan)}
    order = {name: index for index, name in enumerate(ordered(_known_needs(waves)))}
    for name, application in applications.items():
        for need in application.key("needs").items():
            if need.text() in applications:
                own, other = wave_of[application.loc], wave_of[applications[need.text()].loc]
                # A wave in a circle has no place in the order, and its complaint already.
                if own in order and order.get(other, -1) > order[own]:
                    later = f"which moves in the later wave {quoted(other)}"
                    message = f"{quoted(name)} still needs {quoted(need.text())}, {later}"
                    yield Problem(need.loc, message, f"move one of the two, so that {quoted(name)} comes last")


def _first_of(things: Iterable[At]) -> dict[str, At]:
    """The things by name; of two with one name, the first."""
    found: dict[str, At] = {}
    for thing in things:
        found.setdefault(thing.key("name").text(), thing)
    return found


def _known_needs(things: dict[str, At]) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(need.text() for need in thing.key("needs").items()) & things.keys()
        for name, thing in things.items()
    }


def _unique(kind: str, things: Iterable[At]) -> Iterator[Problem]:
    first: dict[str, At] = {}
    for thing in things:
        name = thing.key("name")
        if name.text() and first.setdefault(name.text(), thing) is not thing:
            message = f"there are two {kind}s {quoted(name.text())}"
            where = "its application" if kind == "dataset" else "the plan"
            yield Problem(name.loc, message, f"the name of {_article(kind)} is unique in {where}")


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _gates(application: At) -> Iterator[Problem]:
    named: set[str] = set()
    for gate in application.key("gates").items():
        if gate.text() in set(Gate):
            yield Problem(gate.loc, f"the gate {quoted(gate.text())} is always there", "name only gates to be added")
        elif gate.text() in named:
            yield Problem(gate.loc, f"the gate {quoted(gate.text())} stands twice", "name each gate once")
        named.add(gate.text())


def _unknown(kind: str, things: dict[str, At]) -> Iterator[Problem]:
    for thing in things.values():
        for need in thing.key("needs").items():
            if need.text() and need.text() not in things:
                hint = did_you_mean(need.text(), things, f"name {_article(kind)} of this plan")
                yield Problem(need.loc, f"there is no {kind} {quoted(need.text())}", hint)


def _circles(kind: str, needs: Needs, things: dict[str, At]) -> Iterator[Problem]:
    for path in cycles(needs):
        way = " -> ".join(quoted(name) for name in path)
        message = f"{quoted(path[0])} needs itself" if len(path) == 2 else f"these {kind} need each other: {way}"
        yield Problem(things[path[0]].key("needs").loc, message, "remove one of these needs")
