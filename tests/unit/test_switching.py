"""Effects with real commands and real links on this machine; the journal is a small one that can be cut off."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from migrator.domain.events import EffectNoted, Event, OnEvent
from migrator.domain.plan import Application, EndpointSpec, Place, SymlinkSwitch, Triple
from migrator.endpoints.agent.endpoint import AgentEndpoint
from migrator.endpoints.agent.here import HereAccess
from migrator.endpoints.contract import Completed
from migrator.errors import EndpointUnavailable, Refused
from migrator.switching import cautious
from migrator.switching.cautious import put_in_place, take_back
from migrator.switching.effects import Answer, CommandEffect, Effect, SymlinkEffect, effects_of, freeze_effect
from tests.support.effects import Memory, PowerCut, ignore

Move = Callable[[Effect, cautious.Memory, OnEvent], None]


def here() -> AgentEndpoint:
    return AgentEndpoint(EndpointSpec("here"), HereAccess())


class Flag:
    """An effect that is a file: its commands write down each time they run."""

    def __init__(self, folder: Path, **programs: str) -> None:
        self.file = folder / "flag"
        self.log = folder / "log"
        self.here = here()
        flag, log = str(self.file), str(self.log)
        apply = programs.get("apply", f"open({flag!r}, 'w')")
        probe = programs.get("probe", f"import os; raise SystemExit(not os.path.exists({flag!r}))")
        undo = programs.get("undo", f"import os; os.remove({flag!r})")

        def command(verb: str, program: str) -> tuple[str, ...]:
            return (sys.executable, "-S", "-c", f"open({log!r}, 'a').write({verb!r} + ' '); {program}")

        triple = Triple("here", command("apply", apply), command("probe", probe), command("undo", undo), 20)
        self.effect = CommandEffect("portal", "freeze", triple, self.here.run)

    def ran(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []


def test_apply_is_framed_by_two_probes_and_recorded(tmp_path: Path) -> None:
    flag, memory, events = Flag(tmp_path), Memory(), list[Event]()
    put_in_place(flag.effect, memory, events.append)
    assert flag.file.exists()
    assert flag.ran() == ["probe", "apply", "probe"]
    assert memory.history() == [("apply", "in place")]
    assert [(event.verb, event.answer) for event in events if isinstance(event, EffectNoted)] == [
        ("probe", "not in place"),
        ("apply", "done"),
        ("probe", "in place"),
    ]


def test_what_is_in_place_is_not_applied_again_and_recorded_once(tmp_path: Path) -> None:
    flag, memory = Flag(tmp_path), Memory()
    for _ in range(3):
        put_in_place(flag.effect, memory, ignore)
    assert flag.ran().count("apply") == 1
    assert memory.history() == [("apply", "in place")]


def test_what_somebody_else_put_in_place_is_recorded_without_acting(tmp_path: Path) -> None:
    flag, memory = Flag(tmp_path), Memory()
    flag.file.touch()
    put_in_place(flag.effect, memory, ignore)
    assert flag.ran() == ["probe"]
    assert memory.history() == [("apply", "in place")]


def test_there_and_back_again(tmp_path: Path) -> None:
    flag, memory = Flag(tmp_path), Memory()
    for _ in range(2):
        put_in_place(flag.effect, memory, ignore)
        take_back(flag.effect, memory, ignore)
        take_back(flag.effect, memory, ignore)
    assert not flag.file.exists()
    assert memory.history() == [("apply", "in place"), ("undo", "not in place")] * 2


def test_taking_back_what_never_was_does_nothing(tmp_path: Path) -> None:
    flag, memory = Flag(tmp_path), Memory()
    take_back(flag.effect, memory, ignore)
    assert flag.ran() == ["probe"]
    assert memory.history() == []


@pytest.mark.parametrize("move", [put_in_place, take_back])
@pytest.mark.parametrize(
    "probe", ["raise SystemExit(2)", "raise SystemExit(255)", "import os; os.kill(os.getpid(), 9)"]
)
def test_an_unknown_answer_stops_for_a_human(tmp_path: Path, probe: str, move: Move) -> None:
    flag, memory = Flag(tmp_path, probe=probe), Memory()
    with pytest.raises(Refused, match="neither yes"):
        move(flag.effect, memory, ignore)
    assert flag.ran() == ["probe"]
    assert memory.history() == []


def test_a_probe_that_does_not_end_is_unknown() -> None:
    triple = Triple("here", ("true",), ("sleep", "60"), ("true",), timeout_seconds=0.2)
    effect = CommandEffect("portal", "freeze", triple, here().run)
    assert effect.probe() is Answer.UNKNOWN


def test_an_effect_whose_probe_denies_it_is_refused_and_left_to_a_human(tmp_path: Path) -> None:
    flag, memory = Flag(tmp_path, apply="pass"), Memory()
    with pytest.raises(Refused, match="its probe says that it is not in place"):
        put_in_place(flag.effect, memory, ignore)
    assert memory.history() == [("apply", "not in place")]
    flag = Flag(tmp_path, undo="pass")
    flag.file.touch()
    with pytest.raises(Refused, match="still in place"):
        take_back(flag.effect, memory, ignore)


def test_a_failing_command_is_quoted_safely_and_briefly(tmp_path: Path) -> None:
    program = r"import sys; sys.stderr.write('x' * 9000 + '\n\x1b[31mno such\tunit\nlast\n'); sys.exit(5)"
    flag, memory = Flag(tmp_path, apply=program), Memory()
    with pytest.raises(Refused) as caught:
        put_in_place(flag.effect, memory, ignore)
    assert "`apply` of freeze of `portal` exited 5: " in caught.value.message
    assert caught.value.message.endswith(r"\x1b[31mno such\x09unit | last")
    assert len(caught.value.message) < 1_000
    assert memory.history() == [("apply", None)]  # how things stand is for the next probe to say


def test_a_command_that_does_not_end_is_refused() -> None:
    triple = Triple("here", ("sleep", "60"), ("false",), ("true",), timeout_seconds=0.2)
    with pytest.raises(Refused, match=r"did not end within 0\.2 s"):
        put_in_place(CommandEffect("portal", "freeze", triple, here().run), Memory(), ignore)


def test_an_unreachable_host_is_told_as_such() -> None:
    def run(argv: Sequence[str], timeout_seconds: float) -> Completed:
        raise EndpointUnavailable("gone")

    triple = Triple("source", ("true",), ("true",), ("true",))
    with pytest.raises(EndpointUnavailable):
        put_in_place(CommandEffect("portal", "freeze", triple, run), Memory(), ignore)


def never_twice_without_a_probe(ran: list[str]) -> bool:
    acts = ("apply", "undo")
    return not any(first in acts and second in acts for first, second in itertools.pairwise(ran))


@pytest.mark.parametrize("writes", [1, 2, 3])
@pytest.mark.parametrize("move", [put_in_place, take_back])
def test_a_cut_after_any_write_is_healed_by_the_next_run(tmp_path: Path, writes: int, move: Move) -> None:
    flag, memory = Flag(tmp_path), Memory()
    if move is take_back:
        put_in_place(flag.effect, memory, ignore)
    memory.cut_after = writes
    try:
        move(flag.effect, memory, ignore)
    except PowerCut:
        move(flag.effect, memory, ignore)
    assert flag.file.exists() is (move is put_in_place)
    assert flag.ran().count("apply") == 1
    assert never_twice_without_a_probe(flag.ran())
    assert all(answer is not None for _, answer in memory.history())


def test_a_cut_in_the_middle_of_apply_is_settled_by_the_probe(tmp_path: Path) -> None:
    flag, memory = Flag(tmp_path), Memory()
    run = flag.here.run

    def cut_off(argv: Sequence[str], timeout_seconds: float) -> Completed:
        completed = run(argv, timeout_seconds)
        if flag.ran()[-1] == "apply":
            raise PowerCut
        return completed

    flag.effect._run = cut_off
    with pytest.raises(PowerCut):
        put_in_place(flag.effect, memory, ignore)
    assert memory.history() == [("apply", None)]
    flag.effect._run = run
    put_in_place(flag.effect, memory, ignore)
    assert flag.ran() == ["probe", "apply", "probe"]
    assert memory.history() == [("apply", "in place")]


def link_effect(folder: Path) -> tuple[SymlinkEffect, Path]:
    link = folder / "current"
    switch = SymlinkSwitch("target", os.fsencode(link), b"/srv/n\xffw")
    return SymlinkEffect("portal", "switch 1 (symlink)", switch, here()), link


@pytest.mark.parametrize("before", [b"/srv/old", b"dangling \xff\n", None])
def test_a_link_gets_its_former_text_back(tmp_path: Path, before: bytes | None) -> None:
    (effect, link), memory = link_effect(tmp_path), Memory()
    if before is not None:
        os.symlink(before, os.fsencode(link))
    put_in_place(effect, memory, ignore)
    put_in_place(effect, memory, ignore)
    assert os.readlink(os.fsencode(link)) == b"/srv/n\xffw"
    take_back(effect, memory, ignore)
    if before is None:
        assert not link.is_symlink()
    else:
        assert os.readlink(os.fsencode(link)) == before


@pytest.mark.parametrize("writes", [1, 2, 3])
def test_a_cut_never_loses_the_former_text(tmp_path: Path, writes: int) -> None:
    (effect, link), memory = link_effect(tmp_path), Memory()
    link.symlink_to("/srv/old")
    memory.cut_after = writes
    with pytest.raises(PowerCut):
        put_in_place(effect, memory, ignore)
    put_in_place(effect, memory, ignore)
    take_back(effect, memory, ignore)
    assert os.readlink(link) == "/srv/old"


def test_a_link_that_is_no_longer_ours_is_left_alone(tmp_path: Path) -> None:
    (effect, link), memory = link_effect(tmp_path), Memory()
    put_in_place(effect, memory, ignore)
    link.unlink()
    link.symlink_to("/srv/third")
    take_back(effect, memory, ignore)
    assert os.readlink(link) == "/srv/third"


def test_a_link_that_was_ours_from_the_start_is_not_guessed_back(tmp_path: Path) -> None:
    (effect, link), memory = link_effect(tmp_path), Memory()
    os.symlink(b"/srv/n\xffw", os.fsencode(link))
    put_in_place(effect, memory, ignore)
    with pytest.raises(Refused, match="no record of where"):
        take_back(effect, memory, ignore)
    assert link.is_symlink()


def test_something_else_in_the_link_s_place_is_refused(tmp_path: Path) -> None:
    effect, link = link_effect(tmp_path)
    link.mkdir()
    with pytest.raises(Refused):
        put_in_place(effect, Memory(), ignore)


def application(**parts: object) -> Application:
    return Application("portal", "default", (), **parts)  # type: ignore[arg-type]


def test_effects_come_in_the_order_of_the_plan_each_at_its_place() -> None:
    asked: list[Place] = []

    def place(which: Place) -> AgentEndpoint:
        asked.append(which)
        return here()

    triple = Triple("here", ("true",), ("true",), ("true",))
    portal = application(freeze=triple, switches=(SymlinkSwitch("target", b"/a", b"/b"), triple))
    effects: tuple[Effect, ...] = effects_of(portal, place)
    assert [effect.name for effect in effects] == ["switch 1 (symlink)", "switch 2 (command)"]
    assert asked == ["target", "here"]
    freeze = freeze_effect(portal, place)
    assert freeze is not None
    assert (freeze.application, freeze.name) == ("portal", "freeze")
    assert freeze_effect(application(), place) is None


class StuckEndpoint(AgentEndpoint):
    """An endpoint that does not answer until it is let go."""

    def __init__(self) -> None:
        super().__init__(EndpointSpec("stuck"), HereAccess())
        self.released = threading.Event()

    def read_link(self, path: bytes) -> bytes | None:
        self.released.wait(10)
        return super().read_link(path)

    def point_link(self, path: bytes, to: bytes) -> None:
        self.released.wait(10)
        super().point_link(path, to)


def test_a_link_that_does_not_answer_in_time_is_unknown(tmp_path: Path) -> None:
    link = tmp_path / "current"
    switch = SymlinkSwitch("target", os.fsencode(link), b"/srv/eau", timeout_seconds=0.05)
    endpoint = StuckEndpoint()
    effect = SymlinkEffect("portal", "switch 1 (symlink)", switch, endpoint)
    assert effect.probe() is Answer.UNKNOWN
    for act in (effect.prepare, effect.apply):
        with pytest.raises(Refused, match=r"did not end within 0\.05 s"):
            act()
    endpoint.released.set()
