"""The events as JSON lines, for programs: what `--json` prints."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, get_args

from migrator.console.output import Output
from migrator.domain.entries import display
from migrator.domain.events import Event, RunEnded


def utc_now() -> dt.datetime:
    """Now, in UTC."""
    return dt.datetime.now(dt.UTC)


def moment_text(moment: dt.datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonLines:
    """One object a line, numbered by `seq` from 1, each line flushed. Safe for use from several threads.

    `run.ended` waits for `close` or the next event, so that a run's report, which is written in between, precedes it.
    """

    def __init__(self, output: Output, clock: Callable[[], dt.datetime] = utc_now) -> None:
        self._output = output
        self._clock = clock
        self._lock = threading.Lock()
        self._seq = 0
        self._ended: RunEnded | None = None

    def __call__(self, event: Event) -> None:
        """Print the event."""
        self.close()
        if isinstance(event, RunEnded):
            self._ended = event
        else:
            self.write(event.event, event_form(event))

    def write(self, name: str, fields: Mapping[str, Any]) -> None:
        """Print one object called `name`."""
        with self._lock:
            self._seq += 1
            head = {"event": name, "at": moment_text(self._clock()), "seq": self._seq}
            self._output.line(json_text(head | dict(fields), self._output))

    def close(self) -> None:
        """Print the end of the run, if one waits."""
        ended, self._ended = self._ended, None
        if ended is not None:
            self.write(ended.event, event_form(ended))


def json_text(value: object, output: Output) -> str:
    """`value` on one line, valid whatever the encoding of `output`; names stay readable where that is UTF-8."""
    return json.dumps(value, ensure_ascii=not output.speaks_utf8, separators=(",", ":"))


def path_form(path: bytes) -> dict[str, str]:
    """A name twice: escaped for people, and its raw bytes in base64."""
    return {"path": display(path), "path_b64": base64.b64encode(path).decode("ascii")}


# Fields whose name or form differs in the stream; `seq` is taken there by the line's own number.
_FORMS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "path": path_form,
    "state": lambda state: {"class": state},
    "seq": lambda seq: {"item_seq": seq},
    "sha256": lambda digest: {"sha256": None if digest is None else digest.hex()},
    "frozen_at": lambda moment: {"frozen_at": None if moment is None else moment_text(moment)},
    "ends_at": lambda moment: {"ends_at": moment_text(moment)},
    "switch_by": lambda moment: {"switch_by": moment_text(moment)},
    "abort_by": lambda moment: {"abort_by": moment_text(moment)},
}


_FIELDS = {kind: [(each.name, _FORMS.get(each.name)) for each in dataclasses.fields(kind)] for kind in get_args(Event)}


def event_form(event: Event) -> dict[str, Any]:
    """The fields of an event, ready for JSON."""
    form: dict[str, Any] = {}
    for name, special in _FIELDS[type(event)]:
        value = getattr(event, name)
        if special is None:
            form[name] = value
        else:
            form.update(special(value))
    return form
