"""What happens at a moment that is to fail. Standard library only, Python 3.6: it is also sent to far agents."""

import errno
import fcntl
import os
import signal
import threading
import time
from collections import Counter

ERRORS = {"eio": errno.EIO, "enospc": errno.ENOSPC, "edquot": errno.EDQUOT}
ACTIONS = ("kill", "raise", "delay", *ERRORS)
DELAY_SECONDS = 1.0


class FailPointReached(RuntimeError):
    """What `raise` raises: an error that nobody foresaw."""


class Failures:
    """What is to fail: `POINT:ACTION[:N]`, with commas between several; ValueError for anything else.

    It fails when its process comes to the point for the N-th time (default: the first). With a log, each failure is
    written there before it happens, and what stands there happens in no process any more.
    """

    def __init__(self, text: str, log: str) -> None:
        self.text = text
        self.log = log
        self._at = {}  # type: dict[tuple[str, int], str]
        for each in text.split(","):
            words = each.strip().split(":")
            number = words[2] if len(words) > 2 else "1"
            if len(words) not in (2, 3) or not number.isdigit() or int(number) < 1:
                raise ValueError(f"`{each}` is not POINT:ACTION or POINT:ACTION:N")
            check_action(words[1])
            self._at[words[0], int(number)] = words[1]
        self.points = {point for point, _ in self._at}
        self._seen = Counter()  # type: Counter[str]
        self._lock = threading.Lock()

    def reached(self, point: str) -> None:
        """Come to `point`: go on, or fail."""
        if point not in self.points:
            return
        with self._lock:
            self._seen[point] += 1
            number = self._seen[point]
        action = self._at.get((point, number))
        if action is not None and self._is_first(f"{point}:{action}:{number}"):
            act(point, action)

    def _is_first(self, line: str) -> bool:
        """Note a failure in the log; whether it had not happened before."""
        if not self.log:
            return True
        with open(self.log, "a+") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            log.seek(0)
            if line in log.read().split():
                return False
            log.write(line + "\n")
        return True


def check_action(action: str) -> None:
    """Raise ValueError for an action that there is not."""
    name, _, seconds = action.partition("=")
    if name not in ACTIONS or (seconds and name != "delay"):
        raise ValueError(f"there is no action `{action}`: {', '.join(ACTIONS)}")
    if seconds:
        float(seconds)


def act(point: str, action: str) -> None:
    """Fail, or return after a delay."""
    name, _, seconds = action.partition("=")
    if name == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif name == "raise":
        raise FailPointReached(f"fail-point `{point}`")
    elif name == "delay":
        time.sleep(float(seconds) if seconds else DELAY_SECONDS)
    else:
        raise OSError(ERRORS[name], os.strerror(ERRORS[name]))
