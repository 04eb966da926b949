"""One application along its itinerary: look up the next transition, mind its gate, make one recorded attempt."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

from migrator.domain.entries import Class
from migrator.domain.events import GateWaiting, Note, StepEnded, StepStarted
from migrator.domain.phases import Gate, Phase
from migrator.errors import ChecksFailed, LocalFault, Refused, SourceMoved, Unproven, exit_code_of
from migrator.orchestration.falling_back import gone_back, is_beyond, not_approved, row_back, row_to_look, row_to_stay
from migrator.orchestration.gates import Gates, Question, bound_to
from migrator.orchestration.itinerary import (
    AGAIN,
    CATCH_UP,
    CATCH_UP_UNTIL_SMALL,
    CHECK_AFTER,
    Row,
    gates_of,
    next_row,
    soaking,
    way_back,
)
from migrator.orchestration.window import Watch
from migrator.steps.scene import Scene
from migrator.steps.smoke_checks import have_passed
from migrator.steps.verify import verify_now


@dataclass(frozen=True)
class Halt:
    """Why an application stops although nothing is wrong."""

    sentence: str
    gate: str | None = None


@dataclass
class Journey:
    """An application, the run that takes it along, and how far it is to go (`until` None: as far as gates allow)."""

    scene: Scene
    gates: Gates
    run_id: str
    until: Phase | None = None
    needs_met: Callable[[], str | None] = lambda: None  # what the cutover still waits for; may wait itself
    watch: Watch | None = None  # the windows it is held to; None: none

    def advance(self) -> Halt | None:
        """Go on until the goal, a gate or an error; what it waits for, or None at the goal.

        Raises Refused when `until` was asked for and something holds the application before it.
        """
        self._refuse_a_record_that_is_not_ours()
        self._stay_at_the_target()
        self._copy_again_what_failed()
        self._catch_up_if_that_is_all()
        self._check_after_the_switch()
        while not self._is_there() and (row := next_row(self._phase)) is not None:
            halt = self._held_before(row)
            if halt is not None:
                return self._stop_at(halt)
            halt = self._walk(row)
            if halt is not None:
                return self._stop_at(halt)
        return None

    def keep_fresh(self) -> Halt | None:
        """Bring what is seeded up to date by one pass, then go on as `advance` does; WindowOver once it is closed."""
        if self._phase is Phase.SEEDED and self.until is not Phase.SEEDED:  # there, `advance` makes the pass
            self._attempt_in_time(CATCH_UP)
        return self.advance()

    def roll_back(self) -> None:
        """Thaw and go back to `seeded`; nothing to do before that. Refused once a switch has begun."""
        row = way_back(self._phase)
        if row is None:
            if self._phase.is_at_least(Phase.SWITCHING):
                raise Refused(
                    f"`{self.scene.application.name}` is `{self._phase}`: only a fall back leads back from there",
                    hint=f"type `migrator fall-back {self.scene.plan.path}`",
                )
            return
        halt = self._closed(row)
        if halt is not None:
            raise Refused(f"`{self.scene.application.name}`: {halt.sentence}", hint="type it again with `--yes`")
        self._attempt(row)

    def fall_back(self, *, accepts_loss: bool = False) -> None:
        """Go back after the switch, to `seeded`; nothing to do where that is reached or no freeze has begun.

        What changed at the target is told before anything is asked for or done. Refused when it could be lost, unless
        `accepts_loss`: then what is lost needs an approval of its own.
        """
        if is_beyond(self._phase):
            return
        look = row_to_look(self.scene, accepts_loss=accepts_loss)
        if look is not None:
            self._attempt(look)
        row = row_back(self.scene, accepts_loss=accepts_loss)
        halt = self._closed(row)
        if halt is not None:
            raise not_approved(self.scene, halt.sentence, halt.gate)
        self._attempt(row)

    def accept(self) -> Halt | None:
        """End the soak. Refused before the application is switched over, and while it soaks."""
        if not self._phase.is_at_least(Phase.SWITCHED_OVER):
            raise Refused(
                f"`{self.scene.application.name}` is `{self._phase}`: only what is switched over can be accepted",
                hint=f"see where it stands: `migrator status {self.scene.plan.path}`",
            )
        self._stay_at_the_target()
        if self._is_check_due:  # a word of the operator: here nothing goes back by itself
            self._attempt(CHECK_AFTER)
        return self.advance()

    def decommission(self) -> Halt | None:
        """Retire the source. Refused before the application is accepted, and while anything is left there."""
        if not self._phase.is_at_least(Phase.ACCEPTED):
            raise Refused(
                f"`{self.scene.application.name}` is `{self._phase}`: only what is accepted can be decommissioned",
                hint=f"see where it stands: `migrator status {self.scene.plan.path}`",
            )
        return self.advance()

    def verify(self, *, both_sides: bool) -> None:
        """Read again and compare, without moving the phase; raises Incomplete with what differs."""
        if self._phase.is_at_least(Phase.CHECKED):
            self._attempt(Row(self._phase, "verify", partial(verify_now, both_sides=both_sides), self._phase))

    def is_at_least(self, phase: Phase) -> bool:
        """Whether the application has reached `phase`."""
        return self._phase.is_at_least(phase)

    @property
    def _phase(self) -> Phase:
        return self.scene.journal.phase

    @property
    def _told_phase(self) -> Phase:
        """Where the application stands, for those who look on."""
        return self._phase

    @property
    def _frozen_at(self) -> dt.datetime | None:
        """Since when people wait; None while they can work, at the source or at the target."""
        journal = self.scene.journal
        return None if journal.phase.is_at_least(Phase.SWITCHED_OVER) else journal.frozen_at

    def _is_there(self) -> bool:
        return self.until is not None and self._phase is not Phase.SWITCHING and self._phase.is_at_least(self.until)

    def _refuse_a_record_that_is_not_ours(self) -> None:
        """Everything below is decided by what the journal says: LocalFault where somebody else has written in it."""
        faults = [*self.gates.journal.check_chain(), *self.scene.journal.faults()]
        if faults:
            raise LocalFault(
                f"the state of `{self.scene.application.name}` was changed by hand: {'; '.join(faults[:3])}",
                hint="keep a copy of it and find out who; `--state` with a new folder and `--adopt` verify all anew",
                details=tuple(faults),
            )

    def _copy_again_what_failed(self) -> None:
        if self._phase not in AGAIN:
            return
        tally = self.scene.journal.tally()
        if tally.of(Class.FAILED) + tally.of(Class.PENDING):
            self.scene.journal.move(AGAIN[self._phase], "items must be copied again")

    def _catch_up_if_that_is_all(self) -> None:
        if self.until is Phase.SEEDED and self._phase is Phase.SEEDED:
            self._attempt_in_time(CATCH_UP)

    @property
    def _is_check_due(self) -> bool:
        return self._phase is Phase.SWITCHED_OVER and not have_passed(self.scene)

    def _check_after_the_switch(self) -> None:
        """Make the smoke checks that are due; when they fail, hold the application here or go back, as the plan says.

        Raises ChecksFailed either way, or what kept it from going back.
        """
        if not self._is_check_due:
            return
        try:
            self._attempt(CHECK_AFTER)
        except ChecksFailed as failure:
            if self.scene.application.on_failure == "go_back":
                self._go_back_after(failure)
            raise

    def _go_back_after(self, failure: ChecksFailed) -> None:
        """What `on_failure: go_back` asks for; the plan is its approval. Nothing is lost by it, or it is refused."""
        self.scene.on_event(Note("going back, as `on_failure` says", self.scene.application.name, "warning"))
        look = row_to_look(self.scene)
        if look is not None:
            self._attempt(look)
        self._attempt(row_back(self.scene))
        raise gone_back(failure) from failure

    def _stay_at_the_target(self) -> None:
        """Going forward ends a fall back that has undone nothing yet; Refused once it has."""
        row = row_to_stay(self.scene)
        if row is not None:
            self._attempt(row)

    def _held_before(self, row: Row) -> Halt | None:
        if row.start is Phase.SEEDED:
            missing = self.needs_met()
            if missing is not None:
                return Halt(missing)
        if row.start is Phase.SWITCHED_OVER:
            soak = self._soak_left()
            if soak is not None:
                return soak
        return self._closed(row)

    def _closed(self, row: Row) -> Halt | None:
        if row.start is Phase.SWITCHING and row.gate is Gate.SWITCH_OVER:
            return None  # it was open when the switch began; users may be half-way
        for gate in gates_of(row, self.scene.application):
            if self.gates.opened_by(self._question(gate)) is None:
                demand = self._question(gate).demand
                return Halt(f"waits for the approval of gate `{gate}`{demand.words}", gate)
        return None

    def _approvals(self, row: Row) -> tuple[str, ...]:
        """The approvals that open the gates before `row`; Refused when one has run out since it was asked for.

        Where a switch has begun, and on a way back, it is gone on with all the same.
        """
        is_entered = row.start is Phase.SWITCHING or not row.end.is_at_least(row.start)
        approvals: list[str] = []
        for gate in gates_of(row, self.scene.application):
            opened = self.gates.opened_by(self._question(gate))
            if opened is None and not is_entered:
                raise Refused(
                    f"`{self.scene.application.name}`: the approval of gate `{gate}` has just run out",
                    hint=f"approve it anew with `migrator approve {self.scene.plan.path} {gate}`",
                )
            approvals += opened or ()
        return tuple(approvals)

    def _question(self, gate: str) -> Question:
        journal = self.scene.journal
        return Question(
            self.scene.plan,
            self.scene.application,
            gate,
            journal.used_approvals(),
            lambda: bound_to(gate, journal),
        )

    def _soak_left(self) -> Halt | None:
        sentence = soaking(self.scene.application, self.scene.journal.reached_at(Phase.SWITCHED_OVER))
        return None if sentence is None else Halt(sentence)

    def _stop_at(self, halt: Halt) -> Halt:
        name = self.scene.application.name
        if halt.gate is not None:
            self.scene.on_event(GateWaiting(name, halt.gate, f"`{name}` {halt.sentence}"))
        if self.until is not None:
            hint = "the same command goes on once that is so"
            if halt.gate is not None:
                hint = f"approve it with `migrator approve {self.scene.plan.path} {halt.gate}`"
            raise Refused(f"`{name}` {halt.sentence}, before `{self.until}`", hint=hint)
        return halt

    def _walk(self, row: Row) -> Halt | None:
        """Make the transition; what holds the application back after all, or None."""
        if row.start is Phase.SEEDED:
            self._admit(row)  # before the passes, which may take hours, and after them
            self._attempt_in_time(CATCH_UP_UNTIL_SMALL)
            halt = self._held_before(row)  # the passes may have taken hours, and the approval may have run out
            if halt is not None:
                return halt
        self._attempt_in_time(row)
        self._check_after_the_switch()
        return None

    def _admit(self, row: Row) -> None:
        if self.watch is not None:
            self.watch.admit(row)

    def _attempt_in_time(self, row: Row) -> None:
        """An attempt that begins and ends within the windows of the plan; WindowOver otherwise."""
        self._admit(row)
        with self.watch.over(row) if self.watch is not None else nullcontext():
            self._attempt(row)

    def _attempt(self, row: Row) -> None:
        """One recorded try: the journal knows of it before it begins, and of its phase the moment it is done."""
        journal, name, began = self.scene.journal, self.scene.application.name, time.monotonic()
        if not row.leads_back:
            self._refuse_a_record_that_is_not_ours()
        approvals = self._approvals(row)
        self.scene.before_switching = partial(self._approvals, row)
        if row.writes:
            self.scene.hold_targets()
        attempt = journal.begin_attempt(self.run_id, row.step)
        self.scene.on_event(StepStarted(name, row.step, self._frozen_at))
        error: BaseException | None = None
        try:
            row.act(self.scene)
            journal.finish_attempt(attempt, row.end, approvals)
        except BaseException as failure:
            error = failure
            journal.fail_attempt(attempt, str(failure) or type(failure).__name__, exit_code_of(failure))
            if isinstance(failure, SourceMoved | Unproven) and row.back is not None:
                journal.move(row.back, str(failure))
            raise
        finally:
            seconds = time.monotonic() - began
            self.scene.on_event(StepEnded(name, row.step, self._told_phase, seconds, str(error) if error else None))
