"""One large file in the hands of one mover, below the coordinator: what is told, and when."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from migrator.domain.plan import EndpointSpec, Location
from migrator.errors import EndpointUnavailable
from migrator.movers.hands import Hands
from migrator.movers.way import Way
from migrator.transfer.chunks import CHUNK_BYTES
from migrator.transfer.landing import Group
from migrator.transfer.large_carrying import ChunkDone, LargeJob, carry_large

KEY = b"k" * 32
TEMP_NAME = b".migrator-0123456789abcdef0123456789abcdef-0"
CHUNKS = 3


@pytest.fixture
def reports() -> list[Any]:
    return []


@pytest.fixture
def hands(reports: list[Any]) -> Hands:
    return Hands({"old": EndpointSpec("old"), "new": EndpointSpec("new")}, reports.append)


@pytest.fixture
def job(tmp_path: Path, hands: Hands) -> LargeJob:
    """A file of three chunks to be carried as a whole."""
    for side in ("source", "target"):
        (tmp_path / side).mkdir()
    (tmp_path / "source" / "large").write_bytes(b"x" * (CHUNKS * CHUNK_BYTES))
    source = Location("old", os.fsencode(tmp_path / "source"))
    way = Way(source, Location("new", os.fsencode(tmp_path / "target")), KEY, frozenset({"mode", "times"}))
    entry = hands.source(source).stat(b"large")
    assert entry is not None
    return LargeJob(way, entry, TEMP_NAME, begins=True, ends=True, known={}, wanted=None, has_old=False)


def test_each_chunk_is_told_and_then_the_whole(job: LargeJob, hands: Hands, reports: list[Any]) -> None:
    carry_large(hands, job)
    hands.let_go()
    assert [each.number for each in reports if isinstance(each, ChunkDone)] == list(range(CHUNKS))
    (group,) = [each for each in reports if isinstance(each, Group)]
    assert [item.entry.path for item in group.carried] == [b"large"]


@pytest.mark.parametrize("durable", range(CHUNKS))
def test_a_chunk_that_is_not_durable_is_not_told(
    durable: int, job: LargeJob, hands: Hands, reports: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fdatasync
    synced: list[None] = []

    def fail_after_some(descriptor: int) -> None:
        if len(synced) == durable:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        synced.append(sync(descriptor))

    monkeypatch.setattr(os, "fdatasync", fail_after_some)
    with pytest.raises(EndpointUnavailable, match="Input/output error"):
        carry_large(hands, job)
    hands.let_go()
    assert [each.number for each in reports if isinstance(each, ChunkDone)] == list(range(durable))
    assert [each for each in reports if isinstance(each, Group)] == []
    assert not (Path(os.fsdecode(job.way.target.path)) / "large").exists()
