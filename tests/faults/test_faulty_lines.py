"""Lines that are cut, spoilt, slow or refused on the way to a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.faulty_run import Crossing, Way
from tests.faults.proxy import Fault
from tests.support.sshd import Account, Sshd
from torture.hostile_peers import CUTS, cut_lines
from torture.rows import Options

FEW_CUTS = 8


@pytest.mark.timeout(300)
def test_a_line_that_is_cut_leaves_no_partial_file(tmp_path: Path) -> None:
    outcome = cut_lines(Options(tmp_path, stride=CUTS // FEW_CUTS))
    assert outcome.violations == ()
    assert outcome.tried == FEW_CUTS


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("fault", "way", "code"),
    [
        pytest.param(Fault("flip", 300_000), "from sftp openssh", 0, id="a bit flipped"),
        pytest.param(Fault("flip", 300_000), "from agent paramiko", 0, id="a bit flipped, paramiko"),
        pytest.param(Fault("refuse"), "from sftp paramiko", 0, id="refused once"),
        pytest.param(Fault("slow", 11_000_000), "from sftp openssh", 0, id="slow"),
        pytest.param(Fault("noise"), "from sftp openssh", 10, id="10 MB without a banner"),
        pytest.param(Fault("noise"), "from sftp paramiko", 10, id="10 MB without a banner, paramiko"),
    ],
)
def test_a_fault_on_the_line_ends_in_good_order(
    fault: Fault, way: Way, code: int, sshd: Sshd, account: Account, tmp_path: Path
) -> None:
    fared = Crossing(sshd, account, tmp_path, way).run(fault, for_ever=code != 0)
    assert fared.violations == ()
    assert fared.ended.code == code, fared.ended.said
