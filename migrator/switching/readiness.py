"""What would keep the switches and checks of an application from working, found out before anything is frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from migrator.domain.acts import HaproxySwitch, HttpCheck, HttpSwitch
from migrator.domain.plan import Application, Place
from migrator.domain.reports import Finding
from migrator.endpoints.contract import Host
from migrator.errors import MigratorError
from migrator.switching.effect import Doubt
from migrator.switching.haproxy import HaproxyEffect
from migrator.switching.haproxy_socket import runtime_at
from migrator.switching.requests import HINT_INSTALL, PACKAGE, is_installed


def lacking(application: Application) -> Iterator[Finding]:
    """Packages that this machine lacks; contacts no host."""
    if is_installed():
        return
    acts = [
        *("switch" for each in application.switches if isinstance(each, HttpSwitch)),
        *("check" for each in application.checks if isinstance(each, HttpCheck)),
    ]
    for what in dict.fromkeys(acts):
        sentence = f"application `{application.name}`: the {what} `http` needs the package {PACKAGE}"
        yield Finding("missing-package", "error", sentence, HINT_INSTALL, application.name)


def unready(application: Application, place: Callable[[Place], Host]) -> Iterator[Finding]:
    """What `lacking` finds, and each HAProxy that cannot be asked: a warning, since it may be set up later."""
    yield from lacking(application)
    for number, switch in enumerate(application.switches, start=1):
        if isinstance(switch, HaproxySwitch):
            doubt = _doubt_about(application.name, switch, place)
            if doubt is not None:
                sentence = f"switch {number} (haproxy): {doubt.sentence}"
                yield Finding("haproxy", "warning", sentence, doubt.hint, application.name)


def _doubt_about(application: str, switch: HaproxySwitch, place: Callable[[Place], Host]) -> Doubt | None:
    effect = HaproxyEffect(application, "haproxy", switch, runtime_at(place(switch.on), switch.socket))
    try:
        effect.probe()
    except MigratorError as error:
        return Doubt(error.message, error.hint)
    return effect.doubt
