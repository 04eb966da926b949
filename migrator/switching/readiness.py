"""What would keep the switches and checks of an application from working, found out before anything is frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from migrator.domain.acts import HaproxySwitch, HttpCheck, HttpSwitch
from migrator.domain.phases import Phase
from migrator.domain.plan import Application, DnsSwitch, Place
from migrator.domain.reports import Finding
from migrator.domain.rules import Rule, rule_named
from migrator.endpoints.contract import Host
from migrator.errors import EndpointUnavailable, Refused
from migrator.switching.effect import Answer, Doubting, Effect
from migrator.switching.effects import effect_of, freeze_effect
from migrator.switching.requests import HINT_INSTALL, PACKAGE, is_installed

_MISSING_PACKAGE = rule_named("missing-package")
_FREEZE_PROBE = rule_named("freeze-probe")
_SWITCH_PROBE = rule_named("switch-probe")
_HAPROXY = rule_named("haproxy")

_HINT_UNCLEAR = "a probe exits 0 when the effect is in place and 1 when it is not; try it by hand"
_HINT_IN_PLACE = "somebody may have done it by hand; see whether the probe looks at the right thing"


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
        yield _MISSING_PACKAGE.finds(sentence, HINT_INSTALL, application.name)


def unready(application: Application, place: Callable[[Place], Host], phase: Phase) -> Iterator[Finding]:
    """What `lacking` finds, and each probe that does not say that nothing is in place, as it should before its time.

    Warnings, since hosts and proxies may be set up later. Records are looked up elsewhere.
    """
    yield from lacking(application)
    if not phase.is_at_least(Phase.FROZEN):
        freeze = freeze_effect(application, place)
        if freeze is not None:
            yield from _asked(_FREEZE_PROBE, freeze)
    if phase.is_at_least(Phase.SWITCHING):
        return
    for number, switch in enumerate(application.switches, start=1):
        if isinstance(switch, DnsSwitch) or (isinstance(switch, HttpSwitch) and not is_installed()):
            continue
        rule = _HAPROXY if isinstance(switch, HaproxySwitch) else _SWITCH_PROBE
        yield from _asked(rule, effect_of(application.name, number, switch, place))


def _asked(rule: Rule, effect: Effect) -> Iterator[Finding]:
    try:
        answer = effect.probe()
    except (EndpointUnavailable, Refused) as error:  # not a stop, the end of a window, or another host key
        yield rule.finds(f"{effect.name}: {error.message}", error.hint, effect.application)
        return
    doubt = effect.doubt if isinstance(effect, Doubting) else None
    if doubt is not None:
        yield rule.finds(f"{effect.name}: {doubt.sentence}", doubt.hint, effect.application)
    elif answer is Answer.UNKNOWN:
        sentence = f"{effect.name}: its probe gave neither yes (exit 0) nor no (exit 1)"
        yield rule.finds(sentence, _HINT_UNCLEAR, effect.application)
    elif answer is not Answer.NOT_IN_PLACE:
        sentence = f"{effect.name}: its probe says that it is {answer.value} already"
        yield rule.finds(sentence, _HINT_IN_PLACE, effect.application)
