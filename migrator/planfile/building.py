"""The checked shape of a plan becomes the Plan that everybody else knows."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

from migrator.domain.entries import undisplay
from migrator.domain.plan import (
    AcceptedFinding,
    Application,
    Bandwidth,
    Calendar,
    Cutover,
    Dataset,
    EndpointSpec,
    FallBack,
    Limits,
    Location,
    Owner,
    Plan,
    Ssh,
    Switch,
    SymlinkSwitch,
    Triple,
    Waiver,
    Wave,
)
from migrator.planfile.accepting_shape import AcceptedShape
from migrator.planfile.building_acts import check, dns_switch, haproxy_switch, http_switch, own_switch
from migrator.planfile.content import content_of, digest_of
from migrator.planfile.effect_shapes import CommandSwitch, FreezeShape, SwitchShape, TargetFreezeShape
from migrator.planfile.endpoint_shapes import EndpointShape, SshShape
from migrator.planfile.order_rules import DEFAULT_OWNER
from migrator.planfile.shapes import ApplicationShape, CalendarShape, DatasetShape, FallBackShape, PlanShape, WaveShape


def build(path: Path, shape: PlanShape) -> Plan:
    """The plan that `shape` describes; its relative paths are taken from the folder of `path`."""
    content = content_of(shape)
    builder = _Builder(os.path.dirname(os.path.abspath(path)))
    return Plan(
        path=path,
        migration=shape.migration,
        timezone=shape.timezone,
        owners=tuple(builder.owners(shape)),
        endpoints=tuple(builder.endpoint(name, endpoint) for name, endpoint in shape.endpoints.items()),
        waves=tuple(builder.wave(wave) for wave in shape.waves),
        calendar=_calendar(shape.calendar),
        digest=digest_of(content),
        content=content,
        accepted_findings=_accepted(shape.accept_findings),
    )


class _Builder:
    """Knows the folder from which relative paths are taken."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def owners(self, shape: PlanShape) -> Iterator[Owner]:
        for key, owner in shape.owners.items():
            yield Owner(key, owner.name or key, owner.confidential, tuple(self._file(each) for each in owner.approvers))
        if DEFAULT_OWNER not in shape.owners:
            yield Owner(DEFAULT_OWNER, DEFAULT_OWNER)

    def endpoint(self, name: str, shape: EndpointShape) -> EndpointSpec:
        limits = Limits(shape.limits.connections, shape.limits.bandwidth)
        ssh = None if shape.ssh is None else self._ssh(shape.ssh)
        return EndpointSpec(name, ssh, shape.connector, shape.lane, limits)

    def wave(self, shape: WaveShape) -> Wave:
        return Wave(
            name=shape.name,
            applications=tuple(self._application(each) for each in shape.applications),
            first_day=shape.window.first if shape.window else None,
            last_day=shape.window.last if shape.window else None,
            cutover=Cutover(frozenset(shape.cutover.days), *_clock(shape.cutover.hours)) if shape.cutover else None,
            needs=tuple(shape.needs),
            parallel=shape.parallel,
            accepted_findings=_accepted(shape.accept_findings),
        )

    def _application(self, shape: ApplicationShape) -> Application:
        return Application(
            name=shape.name,
            owner=shape.owner,
            datasets=tuple(self._dataset(each) for each in shape.datasets),
            needs=tuple(shape.needs),
            freeze=_triple(shape.freeze) if shape.freeze else None,
            checks=tuple(check(each) for each in shape.checks),
            switches=tuple(self._switch(each) for each in shape.switch),
            soak=dt.timedelta(seconds=shape.soak.total_seconds),
            verify_under_freeze=shape.verify_under_freeze,
            approval=shape.approval,
            two_person=shape.two_person,
            on_failure=shape.on_failure,
            gates=tuple(shape.gates),
            fall_back=_fall_back(shape.fall_back),
            waivers=tuple(Waiver(each.dataset, undisplay(each.path), each.reason) for each in shape.waive),
            accepted_findings=_accepted(shape.accept_findings),
        )

    def _dataset(self, shape: DatasetShape) -> Dataset:
        return Dataset(
            name=shape.name,
            source=self._location(shape.source),
            target=self._location(shape.target),
            exclude=tuple(shape.exclude),
            keep=None if shape.keep is None else tuple(shape.keep),
            symlinks=shape.symlinks,
            proof=shape.proof,
            max_deletions=shape.max_deletions,
        )

    def _switch(self, shape: SwitchShape) -> Switch:
        if shape.symlink:
            symlink = shape.symlink
            return SymlinkSwitch(symlink.on, symlink.link.encode(), symlink.to.encode(), symlink.timeout)
        if shape.command:
            return _triple(shape.command)
        if shape.dns:
            return dns_switch(shape.dns, self._file)
        if shape.haproxy:
            return haproxy_switch(shape.haproxy)
        if shape.http:
            return http_switch(shape.http, self._file)
        assert shape.model_extra  # the rules see to it that there is one
        return own_switch(shape.model_extra, Path(self._folder))

    def _ssh(self, shape: SshShape) -> Ssh:
        return Ssh(
            alias=shape.alias,
            host=shape.host,
            port=shape.port,
            user=shape.user,
            identity_file=self._file(shape.identity_file) if shape.identity_file else None,
            host_keys=tuple(shape.host_keys),
            known_hosts=self._file(shape.known_hosts) if shape.known_hosts else None,
            jump=shape.jump,
        )

    def _location(self, text: str) -> Location:
        endpoint, _, path = text.partition(":")
        # Joining leaves absolute paths alone; only a local endpoint may have a relative one.
        return Location(endpoint, os.path.normpath(os.path.join(os.fsencode(self._folder), path.encode())))

    def _file(self, text: str) -> Path:
        return Path(os.path.normpath(os.path.join(self._folder, os.path.expanduser(text))))


def _triple(shape: FreezeShape | TargetFreezeShape | CommandSwitch) -> Triple:
    return Triple(shape.on, tuple(shape.apply), tuple(shape.probe), tuple(shape.undo), shape.timeout)


def _fall_back(shape: FallBackShape) -> FallBack:
    return FallBack(shape.source_write, shape.endpoint, _triple(shape.freeze) if shape.freeze else None)


def _accepted(shapes: list[AcceptedShape]) -> tuple[AcceptedFinding, ...]:
    return tuple(AcceptedFinding(each.rule, each.reason) for each in shapes)


def _calendar(shape: CalendarShape) -> Calendar:
    timetable = tuple(Bandwidth(frozenset(each.days), *_clock(each.hours), each.limit) for each in shape.bandwidth)
    return Calendar(tuple(shape.closed), timetable)


def _clock(hours: str) -> tuple[dt.time, dt.time]:
    start, _, end = hours.partition("-")
    return dt.time.fromisoformat(start), dt.time.fromisoformat(end)
