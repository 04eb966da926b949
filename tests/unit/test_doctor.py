"""The doctor: each rule with what sets it off, and the facts as they are read from a real machine."""

from __future__ import annotations

import os
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from migrator.domain.reports import Finding
from migrator.planning.doctor import RULES, examine
from migrator.planning.machine import Machine, StatePlace, file_system_of, look, version_in

STATE = StatePlace(
    path=Path("/srv/state"),
    stands_in=Path("/srv/state"),
    is_folder=True,
    is_writable=True,
    owner_uid=1000,
    mode=0o700,
    free_bytes=80_000_000_000,
    file_system="ext4",
)
WELL = Machine(
    python=(3, 11, 7),
    sqlite=(3, 40, 1),
    kernel=(6, 1, 0),
    ssh="OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15 3 Sep 2024",
    has_ssh_keygen=True,
    has_openat2=True,
    encoding="utf-8",
    open_files=1024,
    uid=1000,
    state=STATE,
)


def judged(machine: Machine) -> dict[str, Finding]:
    return {finding.rule: finding for finding in (rule(machine) for rule in RULES)}


def test_a_machine_in_good_order_gets_notes_only() -> None:
    assert {finding.severity for finding in judged(WELL).values()} == {"note"}
    assert len(judged(WELL)) == len(RULES), "two rules share a name"


TRIGGERS = [
    ("python", "error", replace(WELL, python=(3, 10, 14)), "3.10.14"),
    ("sqlite", "error", replace(WELL, sqlite=(3, 34, 1)), "3.34.1"),
    ("ssh", "warning", replace(WELL, ssh=None), "no OpenSSH client"),
    ("ssh", "warning", replace(WELL, ssh="OpenSSH_7.3p1, OpenSSL 1.0.2"), "7.3p1"),
    ("ssh-keygen", "warning", replace(WELL, has_ssh_keygen=False), "ssh-keygen"),
    ("kernel", "warning", replace(WELL, kernel=(5, 7, 19)), "5.7.19"),
    ("locale", "warning", replace(WELL, encoding="ascii"), "ascii"),
    ("open-files", "warning", replace(WELL, open_files=256), "256"),
    ("state-folder", "error", replace(WELL, state=replace(STATE, is_folder=False)), "not a folder"),
    ("state-folder", "error", replace(WELL, state=replace(STATE, is_writable=False)), "cannot be written"),
    ("state-privacy", "error", replace(WELL, state=replace(STATE, owner_uid=1001)), "1001"),
    ("state-privacy", "warning", replace(WELL, state=replace(STATE, mode=0o770)), "0770"),
    ("state-space", "warning", replace(WELL, state=replace(STATE, free_bytes=900_000_000)), "900 MB"),
    ("state-space", "error", replace(WELL, state=replace(STATE, free_bytes=4_000_000)), "4 MB"),
    ("state-file-system", "warning", replace(WELL, state=replace(STATE, file_system="nfs4")), "nfs4"),
    ("state-file-system", "warning", replace(WELL, state=replace(STATE, file_system="tmpfs")), "memory"),
    ("state-file-system", "warning", replace(WELL, state=replace(STATE, file_system=None)), "cannot be told"),
]


@pytest.mark.parametrize(("rule", "severity", "machine", "word"), TRIGGERS)
def test_a_fault_sets_off_its_rule_and_no_other(rule: str, severity: str, machine: Machine, word: str) -> None:
    findings = judged(machine)
    assert findings[rule].severity == severity
    assert word in findings[rule].sentence
    assert findings[rule].hint
    assert [name for name, finding in findings.items() if finding.severity != "note"] == [rule]


@pytest.mark.parametrize(
    "machine",
    [
        replace(WELL, ssh="OpenSSH_10.0p2 Debian-7, OpenSSL 3.5.1"),
        replace(WELL, ssh="OpenSSH_7.4p1, LibreSSL 2.6.5"),
        replace(WELL, open_files=-1),
        replace(WELL, has_openat2=False),
        replace(WELL, uid=0),
        replace(WELL, state=replace(STATE, stands_in=Path("/srv"), owner_uid=0, mode=0o777)),
    ],
)
def test_what_looks_odd_but_is_well_gets_no_warning(machine: Machine) -> None:
    assert {finding.severity for finding in judged(machine).values()} == {"note"}


MOUNTS = r"""22 27 0:21 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 22 0:40 / /srv rw - xfs /dev/vdb rw
32 31 0:41 / /srv/with\040space rw master:7 - nfs4 filer:/state rw
33 31 0:42 / /srv/twice rw - ext4 /dev/vdc rw
34 31 0:43 / /srv/twice rw - tmpfs tmpfs rw
a line that makes no sense
""".splitlines()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/srvice", "ext4"),
        ("/srv", "xfs"),
        ("/srv/state", "xfs"),
        ("/srv/with space/state", "nfs4"),
        ("/srv/twice/state", "tmpfs"),
    ],
)
def test_the_deepest_and_newest_mount_tells_the_file_system(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind


def test_without_mounts_the_file_system_is_unknown() -> None:
    assert file_system_of(Path("/srv"), []) is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15", (9, 2)),
        ("6.1.0-28-amd64", (6, 1, 0)),
        ("4.19.0+", (4, 19, 0)),
        ("none", ()),
    ],
)
def test_versions_are_found_in_what_programs_say(text: str, version: tuple[int, ...]) -> None:
    assert version_in(text) == version


def test_the_facts_of_this_machine_are_read(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o750)
    state.chmod(0o750)
    machine = look(state)
    assert machine.python == sys.version_info[:3]
    assert machine.sqlite == sqlite3.sqlite_version_info
    assert machine.ssh is not None
    assert machine.ssh.startswith("OpenSSH_")
    assert machine.state.path == state
    assert machine.state.exists
    assert machine.state.is_writable
    assert machine.state.mode == 0o750
    assert machine.state.owner_uid == os.geteuid()
    assert 0 < machine.state.free_bytes <= os.statvfs(state).f_blocks * os.statvfs(state).f_frsize
    assert machine.state.file_system is not None


def test_a_state_folder_that_is_missing_is_looked_for_further_up_and_not_made(tmp_path: Path) -> None:
    state = tmp_path / "not" / "yet"
    findings = {finding.rule: finding for finding in examine(state)}
    assert "will be made" in findings["state-folder"].sentence
    assert findings["state-folder"].severity == "note"
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_the_state_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    findings = {finding.rule: finding for finding in examine(tmp_path / "state" / "below")}
    assert findings["state-folder"].severity == "error"


def test_without_ssh_on_the_path_the_doctor_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    findings = {finding.rule: finding for finding in examine(tmp_path)}
    assert findings["ssh"].severity == "warning"
    assert findings["ssh-keygen"].severity == "warning"


def test_an_ssh_that_does_not_answer_counts_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "ssh"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert look(tmp_path).ssh is None
