"""What the tests of the command line share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.moves import give
from tests.support.sshd import Account


@pytest.fixture
def ground(account: Account) -> Iterator[Path]:
    """A folder that the account may write, for one test; cleared away afterwards."""
    ground = account.data / "ground"
    ground.mkdir()
    give(ground, account)
    yield ground
    shutil.rmtree(ground)
