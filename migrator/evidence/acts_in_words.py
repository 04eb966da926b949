"""Freezes, switches and checks in words, for a page that people read while it happens."""

from __future__ import annotations

import shlex

from migrator.domain.acts import (
    Check,
    CommandCheck,
    HaproxySwitch,
    HttpCheck,
    HttpSwitch,
    OwnSwitch,
    SameOutput,
    TcpCheck,
)
from migrator.domain.durations import duration_text
from migrator.domain.entries import display
from migrator.domain.plan import Argv, DnsSwitch, Switch, SymlinkSwitch, Triple
from migrator.evidence.markdown import code, text


def hook_in_words(hook: Triple) -> str:
    """The three commands of a hook, and where they run."""
    return (
        f"on {_place(hook.on)}: apply {_command(hook.apply)}, probe {_command(hook.probe)}, undo {_command(hook.undo)}"
        f" (each within {duration_text(hook.timeout_seconds)})"
    )


def switch_in_words(switch: Switch) -> str:
    """What a switch changes."""
    match switch:
        case Triple():
            return hook_in_words(switch)
        case SymlinkSwitch():
            return f"on {_place(switch.on)}: the link {code(display(switch.link))} points to {code(display(switch.to))}"
        case DnsSwitch():
            record = f"{switch.name} {switch.type} {switch.value}"
            return f"at the name server {text(str(switch.server))}, zone {code(switch.zone)}: {code(record)}"
        case HaproxySwitch():
            return (
                f"on {_place(switch.on)}, HAProxy at {code(switch.socket)}: backend {code(switch.backend)} goes from "
                f"{code(switch.from_server)} to {code(switch.to_server)}"
            )
        case HttpSwitch():
            return f"the call {code(f'{switch.apply.method} {switch.apply.url}')}"
        case OwnSwitch():
            return f"of the kind {code(switch.kind)}, which another package brings"


def check_in_words(check: Check) -> str:
    """What a smoke check looks at."""
    match check:
        case HttpCheck():
            contains = f" and holds {code(check.contains)}" if check.contains else ""
            return f"{code(check.url)} answers {check.status}{contains}"
        case SameOutput():
            return f"{_command(check.argv)} prints the same on both sides"
        case TcpCheck():
            return f"{code(f'{check.host}:{check.port}')} takes connections"
        case CommandCheck():
            return f"on {_place(check.on)}: {_command(check.argv)} exits 0"


def _place(place: str) -> str:
    return "this machine" if place == "here" else f"the {place}"


def _command(argv: Argv) -> str:
    return code(shlex.join(argv))
