"""The runbook: what people do in a cutover and when, who says yes, what is typed, and the way back, as Markdown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from migrator.domain.phases import Phase
from migrator.domain.plan import Application
from migrator.evidence.acts_in_words import check_in_words, hook_in_words, switch_in_words
from migrator.evidence.markdown import code, table, text


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timetable: a step, or a gate at which people say yes."""

    what: str
    takes: str  # "12 min: rehearsed"; empty for a gate
    command: str  # to be typed; empty when the command before goes on by itself
    is_gate: bool = False
    who: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """One application in the runbook."""

    application: Application
    owner: str
    phase: Phase
    moments: tuple[Moment, ...]
    limit: str  # the last safe moment to abort; empty where no hours end the cutover
    roll_back: str  # commands
    fall_back: str
    way_back_takes: str


@dataclass(frozen=True, slots=True)
class WaveBook:
    """One wave, its applications in the order in which they are worked on."""

    name: str
    times: str  # when it is open, for people; empty: always
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Runbook:
    """The whole paper."""

    migration: str
    plan: str  # its path
    plan_digest: str
    made_at: dt.datetime
    status: str  # the command that shows where everything stands
    waves: tuple[WaveBook, ...]


def page(book: Runbook) -> str:
    """The paper as Markdown; text that comes from outside is made harmless."""
    return "\n".join(_lines(book)) + "\n"


def _lines(book: Runbook) -> Iterator[str]:
    yield f"# Runbook of {text(book.migration)}"
    yield ""
    yield f"- Plan: {code(book.plan)}, digest `{book.plan_digest}`"
    yield f"- Made: {book.made_at:%Y-%m-%d %H:%M} UTC. When the plan changes, it has to be made anew."
    yield f"- Where everything stands, at any time and without disturbing anything: {code(book.status)}"
    yield "- Every command can be typed again after whatever stopped it; it goes on where it was."
    for wave in book.waves:
        yield from _wave(wave)


def _wave(wave: WaveBook) -> Iterator[str]:
    yield from ("", f"## Wave {text(wave.name)}", "")
    yield text(wave.times) if wave.times else "The plan sets no window and no hours for it."
    yield ""
    rows = ((text(move.application.name), text(move.owner), move.phase, _needs(move)) for move in wave.moves)
    yield from table(("application", "owner", "stands at", "needs"), rows)
    for move in wave.moves:
        yield from _move(move)


def _needs(move: Move) -> str:
    return ", ".join(text(name) for name in move.application.needs) or "nothing"


def _move(move: Move) -> Iterator[str]:
    application = move.application
    yield from ("", f"### {text(application.name)}", "")
    yield from table(
        ("data", "from", "to"),
        ((text(each.name), code(str(each.source)), code(str(each.target))) for each in application.datasets),
    )
    yield ""
    yield from table(("", "what", "takes", "who", "type"), map(_row, move.moments))
    yield from _acts(application)
    yield from _way_back(move)


def _row(moment: Moment) -> tuple[str, ...]:
    typed = code(moment.command) if moment.command else ""
    if moment.is_gate:
        return "yes?", f"**{text(moment.what)}**", "", text(moment.who), typed
    return "", text(moment.what), text(moment.takes), "", typed


def _acts(application: Application) -> Iterator[str]:
    acts = []
    if application.freeze is not None:
        acts.append(f"- Freeze: {hook_in_words(application.freeze)}")
    acts += [f"- Switch {number}: {switch_in_words(each)}" for number, each in enumerate(application.switches, start=1)]
    when = {"before": "Before the switch", "after": "After the switch", "always": "Before and after the switch"}
    acts += [f"- {when[each.when]}: {check_in_words(each)}" for each in application.checks]
    for waiver in application.waivers:
        place = code(f"{waiver.dataset}/{waiver.path.decode('utf-8', 'backslashreplace')}")
        acts.append(f"- Stays behind unverified: {place}: {text(waiver.reason)}")
    if acts:
        yield ""
        yield from acts


def _way_back(move: Move) -> Iterator[str]:
    yield from ("", "The way back:", "")
    yield f"- Before the switch, {code(move.roll_back)}: thaws; what was copied is kept, and nothing is lost."
    fall_back = move.application.fall_back
    if fall_back.source_write:
        yield (
            f"- After it, {code(move.fall_back)}: shows what users wrote at the target, copies it home, verifies it, "
            "undoes the switches from the last to the first, thaws."
        )
    else:
        yield (
            f"- After it, {code(move.fall_back)}: shows what users wrote at the target. The plan lets nothing be "
            "copied home, so that is lost by going back, which takes an approval of exactly that list and "
            f"{code(f'{move.fall_back} --accept-loss')}."
        )
    yield f"- Undoing the switches and thawing takes at the worst {text(move.way_back_takes)}."
    if move.limit:
        yield f"- {text(move.limit[:1].upper() + move.limit[1:])}"
