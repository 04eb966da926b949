"""The door: one command line in, one exit code out, and every error as a sentence."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TextIO

from migrator.cli.app import parse
from migrator.cli.session import Everywhere, Invocation, Session, screen_for
from migrator.console.screen import Screen
from migrator.errors import Interrupted, MigratorError, exit_code_of

# Objects made before cyclic garbage is looked for. The default of 700 has Python walk all modules again and again
# while they load; measured: a sixth of the time of `migrator status`.
_GARBAGE_THRESHOLD = 50_000


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command line; its exit code is as `--help` says, and no exception leaves."""
    gc.set_threshold(_GARBAGE_THRESHOLD)
    _open_missing_streams()
    # A terminal that goes away (a lost connection at night) ends no run; there is `status` to find it again.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        parsed = parse(sys.argv[1:] if arguments is None else arguments)
    except MigratorError as error:
        screen_for(Everywhere().look).failure(error)
        parsed = exit_code_of(error)
    code = _carry_out(parsed) if isinstance(parsed, Invocation) else parsed
    _let_go(sys.stdout)
    _let_go(sys.stderr)
    gc.freeze()  # the interpreter, as it ends, need not walk everything once more
    return code


def _carry_out(invocation: Invocation) -> int:
    screen = screen_for(invocation.everywhere.look)
    code, error = _attempt(invocation, screen)
    if error is not None:
        screen.failure(error)
    screen.close()
    return code


def _attempt(invocation: Invocation, screen: Screen) -> tuple[int, MigratorError | None]:
    """The exit code, and the error that is to be shown."""
    everywhere = invocation.everywhere
    try:
        return invocation.act(Session(everywhere.state_folder, screen)), None
    except KeyboardInterrupt:
        error: MigratorError = Interrupted(signal.SIGINT)
    except MigratorError as known:
        error = known
    except Exception as bug:  # noqa: BLE001 - the last door: a bug, too, ends as a sentence and an exit code
        error = _reported(bug, everywhere)
    return exit_code_of(error), error


def _reported(bug: Exception, everywhere: Everywhere) -> MigratorError:
    """Keep the traceback where it can be found; with `--verbose` also show it."""
    text = "".join(traceback.format_exception(bug))
    if everywhere.verbose:
        sys.stderr.write(text)
    what = f"a bug in migrator: {type(bug).__name__}: {bug}"
    try:
        log = _write_log(text, everywhere.state_folder)
    except OSError as error:
        return MigratorError(what, hint=f"the traceback could not be kept ({error.strerror}): add --verbose to see it")
    return MigratorError(what, hint=f"please report it with the traceback in {log}; nothing that is recorded is lost")


def _write_log(text: str, state: Path) -> Path:
    folder = state if state.is_dir() and os.access(state, os.W_OK) else Path(tempfile.gettempdir())
    log = folder / f"migrator-bug-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(text)
    return log


def _open_missing_streams() -> None:
    """Fill descriptors 0 to 2, since the journal must never be opened where an error message would be written."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - positional only
    os.close(descriptor)
    sys.stdout = _speaking(sys.stdout, 1)
    sys.stderr = _speaking(sys.stderr, 2)


def _speaking(stream: TextIO | None, descriptor: int) -> TextIO:
    """The stream, made so that no character can fail to be written."""
    if stream is None:
        return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _let_go(stream: TextIO) -> None:
    """Flush; a stream whose reader has left must not disturb the exit code when the interpreter closes it."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except ValueError:
        return  # closed already


if __name__ == "__main__":
    sys.exit(main())
