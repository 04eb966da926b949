"""Servers and agents that lie, and lines that fail: what migrator makes of them."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.faults import hostile_agent, hostile_sftp
from tests.faults.faulty_run import WAYS, Crossing
from tests.faults.hostile_run import hostile_run, site
from tests.faults.proxy import Fault
from tests.support.sshd import Setup, Sshd, make_key, own_account, running_sshd
from torture.rows import Options, Outcome, Row

CUTS = 200
FIRST_BYTES, MOST_BYTES = 20_000, 4_000_000  # of what the server says on one connection
NOTICED_WITHIN_SECONDS = 45.0 + 2.0  # the deadline, and hanging up


def lying_servers(options: Options) -> Outcome:
    """Every behaviour of the SFTP server, those that only a deadline ends included when nothing is left out."""
    chosen = [each for each in hostile_sftp.BEHAVIOURS.values() if options.stride == 1 or not each.is_slow]
    return _lies(options, chosen)


def lying_agents(options: Options) -> Outcome:
    """Every behaviour of the agent."""
    return _lies(options, list(hostile_agent.BEHAVIOURS.values()))


def _lies(
    options: Options, behaviours: Sequence[hostile_sftp.Behaviour] | Sequence[hostile_agent.Behaviour]
) -> Outcome:
    chosen = behaviours[options.seed % options.stride :: options.stride]
    violations: list[str] = []
    peak_mb = 0.0
    with site(options.folder) as place:
        for behaviour in chosen:
            ended, found = hostile_run(place, behaviour)
            violations += found
            peak_mb = max(peak_mb, ended.memory_mb)
    return Outcome(len(chosen), tuple(violations), f"at most {peak_mb:.0f} MB in one process")


@contextlib.contextmanager
def _plain_server(folder: Path) -> Iterator[Sshd]:
    """A server without any fault, for lines that have one."""
    with own_account() as account, running_sshd(Setup(account, make_key(folder / "key"))) as server:
        yield server


def cut_lines(options: Options) -> Outcome:
    """The line is cut at places drawn by lot: half of them in the greeting and the first requests, half further on."""
    chance = random.Random(options.seed)  # noqa: S311 - places on a line, no secrets
    cuts = options.count(CUTS)
    violations: list[str] = []
    struck = outlived = 0
    with _plain_server(options.folder) as server:
        for number in range(cuts):
            way = WAYS[(number + options.seed) % len(WAYS)]
            reach = FIRST_BYTES if number // len(WAYS) % 2 == 0 or way.startswith("to ") else MOST_BYTES
            after_bytes = chance.randrange(reach)
            crossing = Crossing(server, server.setup.account, options.folder, way)
            fared = crossing.run(Fault("cut", after_bytes), for_ever=number % 4 == 3)
            struck += fared.has_struck
            outlived += fared.has_struck and fared.ended.code == 0
            violations += [f"{way}, cut after {after_bytes}: {each}" for each in fared.violations]
    words = f"{struck} lines were cut, {outlived} runs went on by themselves"
    return Outcome(cuts, tuple(violations), words)


def half_open_lines(options: Options) -> Outcome:
    """Nothing comes any more on a line that stands; how long that goes unnoticed."""
    chosen = WAYS[options.seed % options.stride :: options.stride]
    violations: list[str] = []
    longest = 0.0
    with _plain_server(options.folder) as server:
        for way in chosen:
            crossing = Crossing(server, server.setup.account, options.folder, way)
            after_bytes = 8_000 if way.startswith("to ") else 500_000
            fared = crossing.run(Fault("half-open", after_bytes))
            violations += [f"{way}: {each}" for each in fared.violations]
            longest = max(longest, fared.silence_seconds)
            if not fared.has_struck or fared.silence_seconds > NOTICED_WITHIN_SECONDS:
                violations.append(f"{way}: noticed after {fared.silence_seconds:.0f} s")
    return Outcome(len(chosen), tuple(violations), f"noticed after at most {longest:.0f} s")


ROWS = (
    Row("lying-servers", "an SFTP server misbehaves; nothing outside the target, 300 MB, a clean end", lying_servers),
    Row("lying-agents", "an agent misbehaves; nothing outside the target, 300 MB, a clean end", lying_agents),
    Row("cut-lines", "the line is cut; no partial file has a final name, and the next run converges", cut_lines),
    Row("half-open-lines", "nothing comes on a line that stands; it is noticed, and the run goes on", half_open_lines),
)
