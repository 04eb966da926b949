"""Where a rehearsal copies to: beside each target, under a name of its own, and never where the plan has anything."""

from __future__ import annotations

from dataclasses import replace

from migrator.domain.plan import Application, Location, Plan
from migrator.errors import Refused

SUFFIX = b".rehearsal"


def is_shadow(location: Location) -> bool:
    """Whether the location is one that a rehearsal made up."""
    return location.path.endswith(SUFFIX)


def shadow_of(plan: Plan) -> Plan:
    """The same plan with every target replaced by its shadow, `<target>.rehearsal`; the digest stays.

    Raises Refused when a shadow would lie in, around or on a tree of the plan.
    """
    real = [(_host(plan, each), each.path) for one in plan.applications for each in _locations(one)]
    waves = tuple(
        replace(wave, applications=tuple(_shadowed(application) for application in wave.applications))
        for wave in plan.waves
    )
    shadow = replace(plan, waves=waves)
    for application in shadow.applications:
        for dataset in application.datasets:
            host, path = _host(plan, dataset.target), dataset.target.path
            if any(host == other and _overlap(path, tree) for other, tree in real):
                raise Refused(
                    f"`{application.name}`: a rehearsal would copy to {dataset.target}, and the plan has a tree there",
                    hint="give that dataset another place, or the target another name",
                )
    return shadow


def _shadowed(application: Application) -> Application:
    datasets = tuple(
        replace(each, target=replace(each.target, path=each.target.path + SUFFIX)) for each in application.datasets
    )
    return replace(application, datasets=datasets)


def _locations(application: Application) -> tuple[Location, ...]:
    return tuple(location for each in application.datasets for location in (each.source, each.target))


def _host(plan: Plan, location: Location) -> str:
    return plan.endpoint(location.endpoint).whereabouts


def _overlap(one: bytes, other: bytes) -> bool:
    """Whether one path is the other, or lies below it."""
    above, below = (path.rstrip(b"/") + b"/" for path in sorted((one, other), key=len))
    return below.startswith(above)
