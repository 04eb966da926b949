"""The bytes of a plan file as text: refused when they are too many, not UTF-8, or hold what nobody can see."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from migrator.domain.entries import display
from migrator.errors import PlanInvalid
from migrator.planfile.remarks import Place, Remark, invalid

LIMIT_BYTES = 1024 * 1024

# Control characters other than tab and line ends; line separators and reversals of direction, which make an editor
# show another text than the one that is read; non-characters and lone surrogates.
UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)


def read_text(path: Path) -> str:
    """The text of the plan at `path`; raises PlanInvalid, and reads no more than a little beyond LIMIT_BYTES."""
    raw = read_bytes(path, "plan", LIMIT_BYTES)
    if len(raw) > LIMIT_BYTES:
        place = _place(raw[:LIMIT_BYTES].decode("utf-8", "replace"))
        raise invalid(path, [Remark(place, "the plan goes on beyond 1 MiB", "split it into several migrations")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = _place(raw[: error.start].decode("utf-8-sig"))
        byte = raw[error.start]
        remark = Remark(before, f"the byte 0x{byte:02x} is not UTF-8", "save the file with the encoding UTF-8")
        raise invalid(path, [remark]) from error
    unseen = [
        Remark(_place(text[: match.start()]), f"the invisible character U+{ord(match[0]):04X}", "remove it")
        for match in list(UNSEEN.finditer(text))[:100]
    ]
    if unseen:
        raise invalid(path, unseen)
    return text


def read_bytes(path: Path, what: str, limit_bytes: int) -> bytes:
    """The first bytes of the file at `path`, one more than `limit_bytes` at most; PlanInvalid, about `what`."""
    shown = display(os.fsencode(path))
    try:
        # Without O_NONBLOCK, opening a FIFO would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise PlanInvalid(f"the {what} {shown} is not a file", hint="name the file itself")
            return file.read(limit_bytes + 1)
    except FileNotFoundError as error:
        hint = "check the path; it is relative to the current folder"
        raise PlanInvalid(f"there is no {what} {shown}", hint=hint) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        hint = "name a file that this account may read"
        raise PlanInvalid(f"the {what} {shown} cannot be read: {reason}", hint=hint) from error


def _place(before: str) -> Place:
    line_start = max(before.rfind("\n"), before.rfind("\r")) + 1
    lines = before.count("\n") + before.count("\r") - before.count("\r\n")
    return Place(lines + 1, len(before) - line_start + 1)
