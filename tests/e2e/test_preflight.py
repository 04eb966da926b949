"""The preflight as an operator meets it: `plan` and `run` tell the same, and warnings can be accepted in the plan."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from migrator.domain.plan import EndpointSpec
from migrator.domain.rules import RULES
from tests.support.cli import Cli, Json, clean_environment, run
from tests.support.moves import Move, give
from tests.support.plans import application, local, remote, write_plan
from tests.support.sshd import Account, Sshd, dead_port, make_key
from tests.support.trees import build_specials, write_file


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_troublesome(move.source)
    return move


def build_troublesome(root: Path) -> None:
    """A tree about which many rules have something to say."""
    for name in (b"README", b"readme", b"not \xff utf-8", b"a name"):
        write_file(bytes(root / "names") + b"/" + name)
    write_file(bytes(root / "setuid"), mode=0o4755)
    (root / "out").symlink_to("../outside")
    (root / "absolute").symlink_to(root / "setuid")
    os.link(root / "setuid", root / "linked")
    build_specials(bytes(root))


LOCAL_RULES = {"names-alike", "names-not-utf8", "lost-setid", "symlinks-absolute", "symlinks-escaping", "special-files"}


def found(cli: Cli, *options: str, expect: int = 0) -> dict[str, Json]:
    return {line["rule"]: line for line in cli("plan", "--json", *options, expect=expect).events("finding")}


def test_plan_and_run_tell_the_same(move: Move) -> None:
    cli = move.cli()
    findings = found(cli)
    assert set(findings) == LOCAL_RULES
    assert ": 2, " in findings["lost-setid"]["sentence"]
    assert all(f"`{name}`" in findings["lost-setid"]["sentence"] for name in ("linked", "setuid"))
    assert "`fifo`" in findings["special-files"]["sentence"]
    assert findings["special-files"]["severity"] == "warning"

    notes = cli("run", "--until", "checked", "--json").events("note")
    told = {(note["severity"], note["sentence"]) for note in notes}
    assert {(each["severity"], each["sentence"]) for each in findings.values()} <= told


def test_a_harmless_tree_is_told_nothing_of(tmp_path: Path) -> None:
    write_file(bytes(tmp_path / "source" / "file"))
    assert found(Move(tmp_path, tmp_path / "source", tmp_path / "target").cli()) == {}


def test_an_accepted_warning_is_shown_with_its_reason(move: Move) -> None:
    cli = move.cli(accept_findings=[{"rule": "special-files", "reason": "the daemon makes it"}])
    findings = found(cli)
    assert findings["special-files"]["waived"] == "the daemon makes it"
    assert findings["special-files"]["severity"] == "warning"
    assert findings["lost-setid"]["waived"] is None

    shown = cli("plan").stdout
    assert "waived: portail: dataset `files`: special files stay behind" in shown.replace("\n", " ")
    assert "reason: the daemon makes it" in shown
    notes = cli("run", "--until", "checked", "--json").events("note")
    (note,) = [each for each in notes if "special files" in each["sentence"]]
    assert (note["severity"], "accepted by the plan: the daemon makes it" in note["sentence"]) == ("note", True)


def test_applications_that_share_a_file_system_must_fit_together(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    (tmp_path / "sources").mkdir()
    for name in ("one", "two"):
        (tmp_path / "sources" / name).mkdir()
        with (tmp_path / "sources" / name / "image").open("wb") as file:
            file.truncate(int(free * 0.6))
    applications = [
        application(
            name,
            f"old:{tmp_path}/sources/{name}",
            f"new:{tmp_path}/{name}",
            dataset={"keep": ["mode", "times"]},  # without the holes
        )
        for name in ("one", "two")
    ]
    ends = {"old": local(), "new": local()}
    alone = Cli(write_plan(tmp_path / "alone.yaml", ends, applications[0]), tmp_path / "state-1", {})
    assert "target-space" not in found(alone)

    both = Cli(write_plan(tmp_path / "both.yaml", ends, *applications), tmp_path / "state-2", {})
    events = both("plan", "--json", expect=4).events("finding")
    assert [each["application"] for each in events if each["rule"] == "target-space"] == ["one", "two"]
    outcome = both("run", "--until", "checked", expect=4)
    assert "bytes of room needed" in outcome.stderr


def with_wrong_key(spec: EndpointSpec, folder: Path) -> EndpointSpec:
    assert spec.ssh is not None
    return replace(spec, ssh=replace(spec.ssh, host_keys=(make_key(folder / "another").public,)))


def with_wrong_login(spec: EndpointSpec, folder: Path) -> EndpointSpec:
    assert spec.ssh is not None
    return replace(spec, ssh=replace(spec.ssh, identity_file=make_key(folder / "another").private))


def with_wrong_port(spec: EndpointSpec, folder: Path) -> EndpointSpec:
    del folder
    assert spec.ssh is not None
    return replace(spec, ssh=replace(spec.ssh, port=dead_port()))


def unchanged(spec: EndpointSpec, folder: Path) -> EndpointSpec:
    del folder
    return spec


@pytest.mark.parametrize(
    ("change", "path", "rule", "code"),
    [
        (with_wrong_key, None, "host-key", 8),
        (with_wrong_login, None, "login", 10),
        (with_wrong_port, None, "unreachable", 10),
        (unchanged, "/nowhere", "dataset-root", 10),
    ],
)
def test_what_is_in_the_way_has_a_name(
    change: Callable[[EndpointSpec, Path], EndpointSpec], path: str | None, rule: str, code: int, sshd: Sshd, move: Move
) -> None:
    end = remote(change(sshd.endpoint("openssh"), move.folder))
    findings = found(replace(move, source_end=end, source_path=path).cli(), expect=code)
    assert findings[rule]["severity"] == "error"
    assert findings[rule]["hint"]


def test_a_source_that_could_be_written_is_warned_of(sshd: Sshd, account: Account, ground: Path, move: Move) -> None:
    source = ground / "source"
    write_file(bytes(source / "file"))
    give(source, account)
    there = replace(move, source=source, source_end=remote(sshd.endpoint("openssh"), "agent"))
    findings = found(there.cli())
    assert set(findings) == {"source-writable"}, "and its clock is right"
    if os.geteuid() == 0:
        source.chmod(0o555)
        os.chown(source, 0, 0)
        assert found(there.cli()) == {}


def test_what_sftp_cannot_tell_is_said(sshd: Sshd, account: Account, ground: Path, move: Move) -> None:
    source = ground / "source"
    write_file(bytes(source / "file"))
    give(source, account)
    there = replace(move, source=source, source_end=remote(sshd.endpoint("openssh"), "sftp"))
    findings = found(there.cli())
    assert {"source-access-unknown", "clock-unknown", "unseen-losses"} == set(findings)
    source.chmod(0o777)
    assert "source-writable" in found(there.cli())
    source.chmod(0o555)
    assert {"source-access-unknown", "source-writable"}.isdisjoint(found(there.cli()))


def test_two_ways_to_one_folder_are_an_overlap(sshd: Sshd, account: Account, ground: Path, move: Move) -> None:
    source = ground / "source"
    write_file(bytes(source / "file"))
    give(ground, account)
    there = replace(move, source=source, source_end=remote(sshd.endpoint("openssh"), "agent"), target=source)
    assert "overlap" in found(there.cli(), expect=4)


def test_a_probe_that_says_yes_too_early_is_warned_of(move: Move) -> None:
    assert "freeze-probe" not in found(move.cli())
    move.frozen.touch()
    move.switched.touch()
    findings = found(move.cli())
    assert "in place already" in findings["freeze-probe"]["sentence"]
    assert "switch 2 (command)" in findings["switch-probe"]["sentence"]


def test_a_source_that_shrank_or_is_empty_is_warned_of(tmp_path: Path) -> None:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    for number in range(30):
        write_file(bytes(move.source / f"file {number}"))
    cli = move.cli()
    cli("run", "--until", "seeded")
    assert found(cli) == {}
    for path in move.source.iterdir():
        path.unlink()
    assert set(found(cli)) == {"source-empty", "source-shrunk"}


def test_the_doctor_lists_the_rules() -> None:
    listed = run(["doctor", "--rules", "--json"], clean_environment(), 0).events("rule")
    assert [(each["rule"], each["severity"]) for each in listed] == [(rule.id, rule.severity) for rule in RULES]
    shown = run(["doctor", "--rules"], clean_environment(), 0).stdout
    for rule in RULES:
        assert rule.id in shown
