"""A few of the sequences that `python -m torture model` goes through by the hundred."""

from __future__ import annotations

import pytest

from torture.model import run_model


@pytest.mark.timeout(300)
def test_whatever_people_do_what_users_wrote_is_where_they_are() -> None:
    run_model(examples=2, steps=8, is_repeatable=True)
