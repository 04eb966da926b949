"""How counts, sizes, times and foreign text are written for people."""

from __future__ import annotations

from migrator.domain.durations import duration_text

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def printable(text: str) -> str:
    r"""`text` on one line and safe on a terminal: what is not printable becomes ``\xNN`` of its UTF-8 bytes.

    A backslash stays one, so that names which `domain.entries.display` has escaped already come out unchanged.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    is_raw_byte = 0xDC80 <= ord(character) <= 0xDCFF
    raw = character.encode("utf-8", "surrogateescape" if is_raw_byte else "surrogatepass")
    return "".join(f"\\x{byte:02x}" for byte in raw)


def count_text(count: int | None) -> str:
    """`12,345`; a question mark for what is not known."""
    return "?" if count is None else f"{count:,}"


def size_text(size_bytes: float | None) -> str:
    """Bytes in decimal units with two or three figures: `999 B`, `4.2 GB`, `120 MB`; `?` for what is not known."""
    if size_bytes is None:
        return "?"
    value = float(size_bytes)
    for unit in _UNITS:
        if value < 999.5 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{value:.1f} {unit}" if unit != "B" and value < 9.95 else f"{value:.0f} {unit}"


def rate_text(bytes_per_second: float) -> str:
    """`48 MB/s`."""
    return f"{size_text(bytes_per_second)}/s"


def countdown_text(seconds: float) -> str:
    """What is left until a moment, or how long ago it was: `in 12 min`, `passed 3 min ago`."""
    return f"in {duration_text(seconds)}" if seconds > 0 else f"passed {duration_text(-seconds)} ago"


def range_text(low_seconds: float, high_seconds: float) -> str:
    """A stretch of time as a range in one unit: `20-40 s`, `3-5 min`, `1.5-2 h`; rounded outwards."""
    if high_seconds < 100:
        return _range(low_seconds, high_seconds, 1, "s")
    if high_seconds < 100 * 60:
        return _range(low_seconds, high_seconds, 60, "min")
    return _range(low_seconds, high_seconds, 3600, "h")


def _range(low_seconds: float, high_seconds: float, unit_seconds: int, unit: str) -> str:
    step = 0.5 if unit == "h" else 1
    low = int(low_seconds / unit_seconds / step) * step
    high = -int(-high_seconds / unit_seconds // step) * step
    if high <= step:
        return f"under {step:g} {unit}" if low < high else f"{high:g} {unit}"
    return f"{high:g} {unit}" if low == high else f"{low:g}-{high:g} {unit}"
