"""Figures and foreign text, as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.console.wording import count_text, printable, range_text, rate_text, size_text
from migrator.domain.durations import duration_text
from migrator.domain.entries import display


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (None, "?"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (4_200_000_000, "4.2 GB"),
        (3 * 10**21, "3000 EB"),
    ],
)
def test_size(size_bytes: int | None, text: str) -> None:
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (86400 * 3 + 3600 * 4 + 59, "3 d 4 h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0, 0.4, "under 1 s"),
        (20.7, 39.2, "20-40 s"),
        (150, 290, "2-5 min"),
        (240, 240, "4 min"),
        (5400, 7100, "1.5-2 h"),
        (30, 200, "0-4 min"),
    ],
)
def test_range_is_rounded_outwards(low: float, high: float, text: str) -> None:
    assert range_text(low, high) == text


def test_counts_and_rates() -> None:
    assert count_text(1234567) == "1,234,567"
    assert count_text(None) == "?"
    assert rate_text(48_000_000) == "48 MB/s"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("two\nlines\r", "two\\x0alines\\x0d"),
        ("right\u202eto left", "right\\xe2\\x80\\xaeto left"),
        ("raw \udce9", "raw \\xe9"),
        ("half \ud800", "half \\xed\\xa0\\x80"),
        ("café [bold]", "café [bold]"),
    ],
)
def test_foreign_text_cannot_steer_the_terminal(text: str, safe: str) -> None:
    assert printable(text) == safe


@given(st.binary(max_size=40))
def test_an_escaped_name_is_not_escaped_again(raw: bytes) -> None:
    assert printable(display(raw)) == display(raw)


@given(st.text(max_size=40))
def test_what_comes_out_is_printable(text: str) -> None:
    assert printable(text).isprintable()
