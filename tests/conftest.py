"""Fixtures that all tests share; what they are made of is in tests/support."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.moves import give
from tests.support.sshd import Account, ClientKey, Setup, Sshd, make_key, own_account, running_sshd

# Without their compiled files the commands that the tests start by the thousand would each compile all of migrator.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session")
def client_key(tmp_path_factory: pytest.TempPathFactory) -> ClientKey:
    """A key pair to log in with."""
    return make_key(tmp_path_factory.mktemp("client") / "id")


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    """As root an unprivileged account with a shell and a jail, made for this test process; else the user's own."""
    with own_account() as account:
        yield account


@pytest.fixture
def sshd(account: Account, client_key: ClientKey) -> Iterator[Sshd]:
    """A server for one test that lets `client_key` in as `account`, with a shell and SFTP."""
    with running_sshd(Setup(account, client_key)) as server:
        yield server


@pytest.fixture
def ground(account: Account) -> Iterator[Path]:
    """A folder that the account may write, for one test; cleared away afterwards."""
    ground = account.data / "ground"
    ground.mkdir()
    give(ground, account)
    yield ground
    shutil.rmtree(ground)
