"""The names by which the journal knows freezes and switches, and what each of them acts on."""

from __future__ import annotations

from migrator.domain.acts import FREEZE, HaproxySwitch, HttpSwitch, OwnSwitch
from migrator.domain.plan import Application, DnsSwitch, Switch, SymlinkSwitch, Triple

TARGET_FREEZE = "freeze of the target"


def switch_name(number: int, switch: Switch) -> str:
    """How the journal and people know a switch: its place in the plan, counted from one, and its kind."""
    return f"switch {number} ({_kind(switch)})"


def acts(application: Application) -> dict[str, str | None]:
    """What each freeze and switch of the plan acts on, by its name.

    None for those that act by the operator's own words, which may have to be mended before anything can be undone.
    """
    named = {switch_name(number, each): _acts_on(each) for number, each in enumerate(application.switches, start=1)}
    if application.freeze is not None:
        named[FREEZE] = None
    if application.fall_back.freeze is not None:
        named[TARGET_FREEZE] = None
    return named


def _kind(switch: Switch) -> str:
    match switch:
        case Triple():
            return "command"
        case SymlinkSwitch():
            return "symlink"
        case DnsSwitch():
            return "dns"
        case HaproxySwitch():
            return "haproxy"
        case HttpSwitch():
            return "http"
        case OwnSwitch():
            return switch.kind


def _acts_on(switch: Switch) -> str | None:
    match switch:
        case SymlinkSwitch():
            return f"{switch.on}: {switch.link!r} to {switch.to!r}"
        case DnsSwitch():
            return f"{switch.zone}: {switch.name} {switch.type} {switch.value}"
        case HaproxySwitch():
            return f"{switch.on}: {switch.socket}: {switch.backend}: {switch.from_server} to {switch.to_server}"
        case _:
            return None
