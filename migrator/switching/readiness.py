"""What would keep the switches and checks of an application from working, found out before anything is frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from migrator.domain.acts import HaproxySwitch, HttpCheck, HttpSwitch
from migrator.domain.plan import Application, Place
from migrator.domain.reports import Finding
from migrator.endpoints.contract import Endpoint
from migrator.errors import MigratorError
from migrator.switching.effects import effects_of
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


def unready(application: Application, place: Callable[[Place], Endpoint]) -> Iterator[Finding]:
    """What `lacking` finds, and each HAProxy that cannot be asked: a warning, since it may be set up later."""
    yield from lacking(application)
    proxied = [number for number, each in enumerate(application.switches) if isinstance(each, HaproxySwitch)]
    said: list[str] = []
    effects = effects_of(application, place, said.append) if proxied else ()
    for number in proxied:
        try:
            effects[number].probe()
        except MigratorError as error:
            said.append(str(error))
    for sentence in said:
        yield Finding("haproxy", "warning", sentence, None, application.name)
