"""Which mover may go where, when an endpoint turns some of them away."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import Any

import pytest

from migrator.domain.plan import EndpointSpec, Ssh
from migrator.movers.budget import Budgets
from migrator.movers.crowd import Crowd
from migrator.movers.door import Door
from migrator.movers.messages import Task
from migrator.movers.orders import Order, Orders, Sign

SPECS = {name: EndpointSpec(name, Ssh(host=name)) for name in ("a", "b")}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def order(*endpoints: str) -> Order:
    future: Future[None] = Future()
    return Order(Task(print, None), lambda _: None, future, frozenset(endpoints))


def taken(orders: Orders, mover: object, seconds: float = 5) -> Any:
    """What `mover` gets within a moment, or None."""
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(orders.take(mover)), daemon=True)
    thread.start()
    thread.join(seconds)
    return got[0] if got else None


@pytest.mark.parametrize(("present", "allowed"), [(7, 4), (3, 2), (2, 1), (1, 1), (0, 1)])
def test_a_refusal_halves_and_leaves_one(present: int, allowed: int) -> None:
    assert Crowd().refused(present) == allowed


def test_refusals_at_once_count_as_one() -> None:
    crowd = Crowd()
    assert [crowd.refused(7), crowd.refused(6), crowd.refused(5)] == [4, 4, 4]
    assert crowd.refused(4) == 2


def test_after_each_calm_time_one_more_may_come_until_all_may() -> None:
    clock = Clock()
    crowd = Crowd(30, clock)
    crowd.refused(3)
    assert (crowd.has_room(1, 4), crowd.has_room(2, 4)) == (True, False)
    clock.now += 29
    assert not crowd.has_room(2, 4)
    clock.now += 1
    assert (crowd.has_room(2, 4), crowd.has_room(3, 4)) == (True, False)
    crowd.refused(3)
    clock.now += 29
    assert not crowd.has_room(2, 4), "each refusal begins the calm anew"
    clock.now += 61
    assert crowd.has_room(3, 4)


def test_who_is_too_many_leaves_before_anything_else() -> None:
    budgets = Budgets(SPECS)
    orders = Orders(budgets, 4)
    movers = [object() for _ in range(4)]
    for mover in movers[:3]:
        orders.put(order("a"))
        assert isinstance(taken(orders, mover), Order)
    budgets.refused("a", movers[3])
    orders.put(order("a"))
    assert taken(orders, movers[0]) is Sign.LEAVE
    orders.has_left(movers[0])
    assert taken(orders, movers[3], 0.1) is None, "there are two already"
    assert isinstance(taken(orders, movers[1]), Order), "who is there may stay"


def test_work_elsewhere_is_not_held_up() -> None:
    budgets = Budgets(SPECS)
    orders = Orders(budgets, 3)
    first, second = object(), object()
    orders.put(order("a"))
    taken(orders, first)
    budgets.refused("a", second)
    crowded, free = order("a"), order("b")
    orders.put(crowded)
    orders.put(free)
    assert taken(orders, second) is free
    assert taken(orders, first) is crowded


def test_two_that_hold_what_the_other_needs_do_not_wait_for_ever() -> None:
    budgets = Budgets(SPECS)
    orders = Orders(budgets, 2)
    first, second = object(), object()
    for mover, end in ((first, "a"), (second, "b")):
        orders.put(order(end))
        taken(orders, mover)
        budgets.refused(end, object())
    both = order("a", "b")
    orders.put(both)
    assert taken(orders, first) is Sign.LEAVE
    orders.has_left(first)
    assert taken(orders, second) is both


def test_a_refusal_of_the_only_connection_is_nobody_else_s_fault() -> None:
    told: list[str] = []
    budgets = Budgets(SPECS, warn=told.append)
    with budgets.connection(["a"]):
        assert not budgets.refused("a", None)
    assert not budgets.refused("a", object())
    assert told == []


def test_a_refusal_is_told_once_for_an_endpoint() -> None:
    told: list[str] = []
    budgets = Budgets(SPECS, warn=told.append)
    for _ in range(3):
        with budgets.connection(["a"]):
            assert budgets.refused("a", object())
    assert len(told) == 1
    assert "`a` refuses connections" in told[0]


def test_an_order_that_was_turned_away_waits_a_moment_and_not_for_ever() -> None:
    waiting = order("a")
    began = time.monotonic()
    assert waiting.wait_and_try_again(is_crowded=False)
    assert began + 0.3 <= waiting.not_before <= began + 2
    waiting.refused_at = began - 60
    assert waiting.wait_and_try_again(is_crowded=True)
    assert not waiting.wait_and_try_again(is_crowded=False)


def test_one_door_lets_one_through_and_the_next_when_that_has_left() -> None:
    door = Door(None)
    assert door.enter()
    assert not door.enter(lambda: True), "it is taken, and this one gives up at once"
    entered: list[bool] = []
    waiting = threading.Thread(target=lambda: entered.append(door.enter()))
    waiting.start()
    assert entered == []
    door.leave()
    waiting.join(10)
    assert entered == [True]


def test_a_door_keeps_other_runs_out_as_well(tmp_path: Any) -> None:
    ours, theirs = Door(tmp_path / "door"), Door(tmp_path / "door")
    assert ours.enter()
    assert not theirs.enter(lambda: True)
    ours.leave()
    assert theirs.enter()
    theirs.leave()
