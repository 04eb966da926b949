"""The power is cut under a disk of our own: nothing that was told is missing, and the same command goes on."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from torture.disks import Cut, disk
from torture.power_cut import Moment, Side, cut_during_a_run, missing, prepared, torture
from torture.rows import Options

CUTS = 2

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk of its own"),
    pytest.mark.timeout(300),
]


@pytest.mark.parametrize("side", ["state", "target"])
def test_nothing_that_was_told_is_missing(side: Side, tmp_path: Path) -> None:
    outcome = torture(side, Options(tmp_path), CUTS)
    assert outcome.violations == ()
    assert outcome.tried == CUTS


SYNCS_NOTHING = """
int fsync(int fd) { return 0; }
int fdatasync(int fd) { return 0; }
int syncfs(int fd) { return 0; }
"""


def test_a_run_that_syncs_nothing_is_found_out(tmp_path: Path) -> None:
    library = tmp_path / "nothing.so"
    compiler = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)]
    subprocess.run(compiler, input=SYNCS_NOTHING, text=True, check=True)
    with disk(tmp_path) as small:
        move, cli = prepared("target", tmp_path, small)
        liar = replace(cli, environment={"LD_PRELOAD": str(library)})
        run = cut_during_a_run(liar, small, Moment(200, Cut.LOG_IS_LOST))
        assert len(missing(cli, move, run)) > 100


@pytest.mark.parametrize("how", list(Cut))
def test_the_disk_does_lose_what_was_not_synced(how: Cut, tmp_path: Path) -> None:
    with disk(tmp_path) as small:
        (small.mount / "synced").write_text("kept")
        os.sync()
        (small.mount / "not synced").write_text("lost")
        small.cut(how)
        with pytest.raises(OSError, match="Input/output error"):
            (small.mount / "too late").write_text("never")
        small.power_on()
        assert (small.mount / "synced").read_text() == "kept"
        unsynced = small.mount / "not synced"
        assert not unsynced.exists() or unsynced.read_text() == ""
        assert not (small.mount / "too late").exists()
