"""The mover's side of the pipe: take a task, do it, say how it went; gone the moment the coordinator is gone."""

from __future__ import annotations

import ctypes
import gc
import os
import queue
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection

from migrator.errors import MigratorError
from migrator.movers.hands import Hands
from migrator.movers.messages import Answer, Done, FromMover, Limited, Report, Start, Stop, Task
from migrator.movers.part import Desk

_PR_SET_PDEATHSIG = 1
_ORPHANED = 70
_GARBAGE_THRESHOLD = 50_000  # see __main__: modules are walked far less often while they load


def main(descriptor: int, parent: int) -> None:
    """Serve the coordinator at the other end of `descriptor` until it hangs up."""
    _die_with(parent)
    gc.set_threshold(_GARBAGE_THRESHOLD)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator decides when to stop
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    line = Connection(descriptor)
    sending = threading.Lock()

    def say(message: FromMover) -> None:
        try:
            with sending:
                line.send(message)
        except OSError:
            os._exit(_ORPHANED)  # nobody could record what was done from here on

    start = line.recv()
    assert isinstance(start, Start)
    desk = Desk(say)
    desk.limited = start.limited
    hands = Hands(start.endpoints, lambda content: say(Report(content)), desk.allowance)
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(line, tasks, hands, desk), name="listen", daemon=True).start()
    while True:
        say(_do(tasks.get(), hands))


def _do(task: Task, hands: Hands) -> Done:
    """The task's outcome; a connection that failed is not used again."""
    try:
        task.work(hands, task.job)
    except MigratorError as error:
        hands.let_go()
        return Done(error)
    except Exception as error:  # noqa: BLE001 - told to the coordinator, which raises it there
        hands.let_go()
        return Done(RuntimeError(f"{type(error).__name__}: {error}"), traceback.format_exc())
    return Done()


def _listen(line: Connection, tasks: queue.SimpleQueue[Task], hands: Hands, desk: Desk) -> None:
    while True:
        try:
            message = line.recv()
        except (EOFError, OSError):
            # The coordinator is gone. Whatever is under way must not reach the target: another run may hold it soon.
            os._exit(_ORPHANED)
        if isinstance(message, Answer):
            desk.take_in(message)
        elif isinstance(message, Limited):
            desk.limited = message.endpoints
        elif isinstance(message, Stop):
            desk.is_stopping = True
            hands.ask_to_stop()
        else:
            tasks.put(message)


def _die_with(parent: int) -> None:
    """Have the kernel end this process when the coordinator dies, even while no thread of ours can run."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before the call
        os._exit(_ORPHANED)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
