"""Rules between the keys of endpoints, and between endpoints."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.planfile.finding import At, Problem
from migrator.planfile.needs import cycles
from migrator.planfile.remarks import did_you_mean, listed, quoted


def endpoint_rules(plan: At) -> Iterator[Problem]:
    """Each endpoint is one thing, reached in one way."""
    endpoints = plan.key("endpoints").entries()
    if plan.key("endpoints").value == {}:
        yield Problem(plan.key("endpoints").loc, "`endpoints` is empty", "name the hosts, or `here: {local: true}`")
    for name, endpoint in endpoints.items():
        yield from _one_transport(endpoint)
        yield from _one_way_in(endpoint.key("ssh"))
        yield from _jump(name, endpoint, endpoints)
    jumps = {
        name: frozenset({jump} & endpoints.keys() - {name})
        for name, endpoint in endpoints.items()
        if (jump := endpoint.key("ssh").key("jump").text())
    }
    for path in cycles(jumps):
        loc = endpoints[path[0]].key("ssh").key("jump").loc
        yield Problem(loc, f"a circle of jumps: {_arrows(path)}", "let one of them be reached directly")


def _one_transport(endpoint: At) -> Iterator[Problem]:
    if not isinstance(endpoint.value, dict):
        return
    local = endpoint.key("local").text("false")
    is_local = local == "true"
    if local in {"true", "false"} and endpoint.key("ssh").is_there == is_local:
        message = "an endpoint is either `ssh` or `local: true`"
        yield Problem(endpoint.loc, f"{message}, not both" if is_local else message, "keep one of the two", of_key=True)
    if is_local:
        for word in ("connector", "lane"):
            if endpoint.key(word).text("auto") != "auto":
                message = f"{quoted(word)} means nothing for this machine"
                yield Problem(endpoint.key(word).loc, message, "remove it", of_key=True)


def _one_way_in(ssh: At) -> Iterator[Problem]:
    if not isinstance(ssh.value, dict):
        return
    alias, host = ssh.key("alias"), ssh.key("host")
    if not alias.is_there and not host.is_there:
        yield Problem(ssh.loc, "`host` is missing", "write `ssh: {host: NAME}`, or an alias as in `ssh: ALIAS`")
    others = [key for key in ssh.entries() if key != "alias"]
    if alias.is_there and others:
        message = f"`alias` takes everything from ~/.ssh/config, so that {listed(others)} would not count"
        yield Problem(alias.loc, message, "write it there, or use `host`", of_key=True)
    if ssh.key("host_keys").value and ssh.key("known_hosts").is_there:
        message = "`host_keys` and `known_hosts` exclude each other"
        yield Problem(ssh.key("known_hosts").loc, message, "keep one of the two", of_key=True)


def _jump(name: str, endpoint: At, endpoints: dict[str, At]) -> Iterator[Problem]:
    jump = endpoint.key("ssh").key("jump")
    wanted = jump.text()
    if not wanted:
        return
    if wanted == name:
        yield Problem(jump.loc, f"{quoted(name)} cannot be reached by way of itself", "name another endpoint")
    elif wanted not in endpoints:
        hint = did_you_mean(wanted, endpoints, "`jump` names another endpoint of this plan, so that its key is checked")
        yield Problem(jump.loc, f"there is no endpoint {quoted(wanted)} to jump through", hint)
    elif endpoints[wanted].key("local").text() == "true":
        yield Problem(jump.loc, f"{quoted(wanted)} is this machine, no host to jump through", "remove `jump`")


def _arrows(path: list[str]) -> str:
    return " -> ".join(quoted(name) for name in path)
