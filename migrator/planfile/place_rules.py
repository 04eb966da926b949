"""Rules about where things are: locations exist, trees do not overlap, commands run where commands can be run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from migrator.planfile.composing import Loc
from migrator.planfile.fields import NAME
from migrator.planfile.finding import At, Problem, applications_of, datasets_of
from migrator.planfile.remarks import did_you_mean, quoted

_ROLES = ("source", "target")
_NO_EXEC = "over `lane: sftp` no command can be run"


def location_rules(plan: At) -> Iterator[Problem]:
    """The endpoint of each location exists, and a path over SSH is absolute."""
    endpoints = plan.key("endpoints").entries()
    for _, dataset in datasets_of(plan):
        for role in _ROLES:
            location = dataset.key(role)
            name, _, path = location.text().partition(":")
            if not path or not re.fullmatch(NAME, name):
                continue
            if name not in endpoints:
                hint = did_you_mean(name, endpoints, "name it in `endpoints`")
                yield Problem(location.loc, f"there is no endpoint {quoted(name)}", hint)
            elif endpoints[name].key("ssh").is_there and not path.startswith(("/", "~")):
                message = f"the path on the ssh endpoint {quoted(name)} must be absolute, not {quoted(path)}"
                yield Problem(location.loc, message, "begin it with `/`")


class _Tree(NamedTuple):
    host: str
    parts: tuple[str, ...]
    role: str
    loc: Loc
    owner: str  # the application and dataset, for people

    def holds(self, other: _Tree) -> bool:
        return self.host == other.host and self.parts == other.parts[: len(self.parts)]


def overlap_rules(plan: At, folder: str) -> Iterator[Problem]:
    """No target lies in, around or on another dataset's tree; `folder` is where the plan file lies."""
    endpoints = plan.key("endpoints").entries()
    open_trees: list[_Tree] = []
    for tree in sorted(_trees(plan, endpoints, folder)):
        while open_trees and not open_trees[-1].holds(tree):
            open_trees.pop()
        outer = next((each for each in reversed(open_trees) if "target" in (each.role, tree.role)), None)
        if outer is not None:
            # The complaint belongs to a target; of two targets, to the one that is written later.
            at, other = (outer, tree) if (tree.role, tree.loc) < (outer.role, outer.loc) else (tree, outer)
            message = f"this target overlaps with the {other.role} of {other.owner}"
            yield Problem(at.loc, message, "give every dataset a target of its own, outside of all others")
        if not (open_trees and open_trees[-1].parts == tree.parts and open_trees[-1].role == tree.role):
            open_trees.append(tree)


def _trees(plan: At, endpoints: dict[str, At], folder: str) -> Iterator[_Tree]:
    for application, dataset in datasets_of(plan):
        owner = f"application {quoted(application.key('name').text())}, dataset {quoted(dataset.key('name').text())}"
        for role in _ROLES:
            name, _, path = dataset.key(role).text().partition(":")
            if path and name in endpoints:
                whole = os.path.normpath(os.path.join(folder, path))
                parts = tuple(part for part in whole.split("/") if part)
                yield _Tree(_host(name, endpoints[name]), parts, role, dataset.key(role).loc, owner)


def _host(name: str, endpoint: At) -> str:
    ssh = endpoint.key("ssh")
    if not ssh.is_there:
        return "here"
    host = ssh.key("host").text().lower()
    if host:
        return f"ssh {host} {ssh.key('port').text('22')}"
    return f"alias {ssh.text() or ssh.key('alias').text(name)}"


def effect_rules(plan: At) -> Iterator[Problem]:
    """Each freeze, check and switch is one thing, at one place that can carry it out."""
    endpoints = plan.key("endpoints").entries()
    for _, application in applications_of(plan):
        for kind in ("switch", "checks"):
            for item in application.key(kind).items():
                yield from _one_kind("switch" if kind == "switch" else "check", item)
        for effect in _effects(application):
            yield from _can_act(effect, application, endpoints)


class _Effect(NamedTuple):
    what: str
    on: str
    at: At  # what to point at
    is_command: bool


def _freezes(application: At) -> Iterator[_Effect]:
    falling_back = application.key("fall_back").key("freeze")
    for what, freeze, default in (
        ("freeze", application.key("freeze"), "source"),
        ("freeze of `fall_back`", falling_back, "target"),
    ):
        if isinstance(freeze.value, dict):
            yield _Effect(what, freeze.key("on").text(default), _pointed(freeze), is_command=True)


def _effects(application: At) -> Iterator[_Effect]:
    yield from _freezes(application)
    for item in application.key("switch").items():
        for kind, default in (("symlink", "target"), ("command", ""), ("haproxy", "target")):
            switch = item.key(kind)
            if isinstance(switch.value, dict):
                on = switch.key("on").text(default)
                yield _Effect(f"{kind} switch", on, _pointed(switch), is_command=kind != "symlink")
    for item in application.key("checks").items():
        check = item.key("same_output")
        if check.is_there:
            yield from (_Effect("same_output check", role, check, is_command=True) for role in _ROLES)
        check = item.key("command")
        if check.is_there:
            yield _Effect("command check", check.key("on").text("target"), _pointed(check), is_command=True)


def _pointed(effect: At) -> At:
    return effect.key("on") if effect.key("on").is_there else effect


def _one_kind(noun: str, item: At) -> Iterator[Problem]:
    if isinstance(item.value, dict) and len(item.value) != 1:
        message = f"a {noun} has exactly one key, its kind; here are {len(item.value)}"
        yield Problem(item.loc, message, f"write one `- kind: ...` for each {noun}")


def _can_act(effect: _Effect, application: At, endpoints: dict[str, At]) -> Iterator[Problem]:
    if effect.on not in _ROLES:
        return
    names = [dataset.key(effect.on).text().partition(":")[0] for dataset in application.key("datasets").items()]
    places = list(dict.fromkeys(name for name in names if name in endpoints))
    if not names:
        message = f"the {effect.what} is at the {effect.on}, and the application has no dataset that says where"
        yield Problem(effect.at.loc, message, "add a dataset, or use `on: here`")
    if len(places) > 1:
        message = f"the {effect.what} could be on {' or '.join(quoted(name) for name in places)}"
        hint = f"let all datasets of an application have one {effect.on} endpoint, or use `on: here`"
        yield Problem(effect.at.loc, message, hint)
    for name in places[:1]:
        # A symbolic link at a target can be set through SFTP; at a source nothing is written.
        is_sftp = endpoints[name].key("ssh").is_there and endpoints[name].key("lane").text() == "sftp"
        if is_sftp and (effect.is_command or effect.on == "source"):
            message = f"the {effect.what} is at the {effect.on} {quoted(name)}, and {_NO_EXEC}"
            yield Problem(effect.at.loc, message, "use another lane, or `on: here` with a command that reaches it")
