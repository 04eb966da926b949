"""Plans for tests, written as the YAML that a user would write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from migrator.domain.plan import EndpointSpec, Lane

Mapped = dict[str, Any]


class _Plain(yaml.SafeDumper):
    """Without anchors and aliases, which plans may not have."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def write_plan(path: Path, endpoints: Mapping[str, Mapped], *applications: Mapped, **more: Any) -> Path:
    """Write a plan of one wave, `july`, with these applications; `more` adds keys to the wave."""
    plan = {
        "migration": "moving-house",
        "endpoints": dict(endpoints),
        "waves": [{"name": "july", **more, "applications": list(applications)}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.dump(plan, Dumper=_Plain, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def local() -> Mapped:
    """This machine as an endpoint."""
    return {"local": True}


def remote(spec: EndpointSpec, lane: Lane = "sftp") -> Mapped:
    """The endpoint that `spec` describes, as a plan writes it with that lane."""
    assert spec.ssh is not None
    ssh: Mapped = {"host": spec.ssh.host, "port": spec.ssh.port, "user": spec.ssh.user}
    if spec.ssh.identity_file:
        ssh["identity_file"] = str(spec.ssh.identity_file)
    if spec.ssh.host_keys:
        ssh["host_keys"] = list(spec.ssh.host_keys)
    if spec.ssh.known_hosts:
        ssh["known_hosts"] = str(spec.ssh.known_hosts)
    return {"ssh": ssh, "connector": spec.connector, "lane": lane, "limits": {"connections": spec.limits.connections}}


def application(name: str, source: str, target: str, **more: Any) -> Mapped:
    """An application with one dataset; `dataset` in `more` adds keys to that, the rest to the application."""
    dataset = {"name": "files", "source": source, "target": target, **more.pop("dataset", {})}
    return {"name": name, "datasets": [dataset], **more}


def flag_freeze(flag: Path) -> Mapped:
    """A freeze that is a file of its own on this machine: applied by making it, undone by removing it."""
    return {
        "on": "here",
        "apply": ["touch", str(flag)],
        "probe": ["test", "-e", str(flag)],
        "undo": ["rm", "-f", str(flag)],
    }


def link_switch(link: Path, to: Path, on: str = "here") -> Mapped:
    """A switch that points `link` to `to`."""
    return {"symlink": {"on": on, "link": str(link), "to": str(to)}}


def flag_switch(flag: Path) -> Mapped:
    """A switch by commands that is a file of its own on this machine."""
    return {"command": flag_freeze(flag)}
