"""Commands that end with whoever started them: one that went on alone could act after the next run asked its probe."""

from __future__ import annotations

from collections.abc import Sequence

# The end of standard input means that migrator has died, or given the command up; then the whole group is killed.
# Where the command cannot be started the status is a shell's. Python 3.6 and later: it may be the far host's.
_PROGRAM = """\
import os, signal, sys, threading
argv = sys.argv[1:]
if os.getpgrp() != os.getpid():
    os.setpgid(0, 0)
signal.signal(signal.SIGTERM, lambda *_: None)  # the command gets it as well, and may clean up
pid = os.fork()
if pid == 0:
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    status, why = 126, "not found"
    try:
        os.execvp(argv[0], argv)
    except FileNotFoundError:
        status = 127
    except OSError as error:
        why = error.strerror
    os.write(2, os.fsencode("%s: %s" % (argv[0], why)))
    os._exit(status)
def end_with_migrator():
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=end_with_migrator, daemon=True).start()
status = os.waitpid(pid, 0)[1]
os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
"""


def guarded(python: str, argv: Sequence[str]) -> tuple[str, ...]:
    """`argv` as a command that is killed, with all its children, when its standard input ends; it gets an empty one.

    It ends with the status of `argv`, 128 and its number for a signal; what `argv` leaves behind is left alone then.
    """
    return (python, "-I", "-S", "-c", _PROGRAM, *argv)
