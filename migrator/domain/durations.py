"""How a stretch of time is written for people, on the screen and in messages."""

from __future__ import annotations


def duration_text(seconds: float) -> str:
    """Two units at most: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole, 60, ("min", "s"))
    if whole < 86400:
        return _two(whole // 60, 60, ("h", "min"))
    return _two(whole // 3600, 24, ("d", "h"))


def _two(amount: int, per: int, units: tuple[str, str]) -> str:
    large, small = divmod(amount, per)
    return f"{large} {units[0]} {small} {units[1]}" if small else f"{large} {units[0]}"
