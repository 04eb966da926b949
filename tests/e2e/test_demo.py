"""`migrator demo`, as a newcomer types it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.support.cli import Cli, clean_environment, parsed, run
from tests.support.trees import differences


def demo(*options: str, temp: Path, **environment: str) -> tuple[str, str]:
    """What the demo prints on stdout and stderr; its own folders are made in `temp`."""
    temp.mkdir(exist_ok=True)
    outcome = run(["demo", *options], {**clean_environment(), "TMPDIR": str(temp), **environment}, 0)
    return outcome.stdout, outcome.stderr


def test_it_goes_through_all_phases_and_leaves_nothing(tmp_path: Path) -> None:
    stdout, stderr = demo(temp=tmp_path / "temp")
    told = [line for line in (stdout + stderr).splitlines() if line.startswith("$ migrator")]
    assert [line.split()[2] for line in told] == ["plan", "run", "run", "run", "run", "verify", "accept"]
    assert len(re.findall(r"\baccepted\b", stdout)) >= 2
    assert os.listdir(tmp_path / "temp") == []


def test_what_it_keeps_can_be_looked_at(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    demo("--keep", str(kept), temp=tmp_path / "temp")
    cli = Cli(kept / "plan.yaml", kept / "state", {})
    assert cli.phases() == {"portal": "accepted", "phone-book": "accepted"}

    portal, arrived = kept / "provider" / "portal", kept / "datacentre" / "portal"
    # SFTP tells times in whole seconds. Folders that hold what is excluded are as the provider's otherwise.
    assert differences(portal, arrived, nanoseconds=False) == [
        "missing: b'cache'",
        "missing: b'cache/page-1'",
        "missing: b'upload.tmp'",
    ]
    assert differences(kept / "provider" / "phone-book", kept / "datacentre" / "phone-book", nanoseconds=False) == []
    assert os.readlink(kept / "datacentre" / "current") == str(arrived)
    assert (kept / "datacentre" / "phone-book-is-live").exists()
    assert (kept / "portal-is-read-only").exists()  # after the switch the source stays frozen

    items = cli.items()
    excluded = sorted(str(item["path"]) for item in items if item["class"] == "excluded")
    assert excluded == ["cache", "cache/page-1", "upload.tmp"]
    assert {item["class"] for item in items} == {"excluded", "verified"}
    assert len(items) > 200


def test_without_the_system_s_ssh_it_works_too_and_a_program_gets_nothing_but_json(tmp_path: Path) -> None:
    nearly_empty = tmp_path / "bin"
    nearly_empty.mkdir()
    for program in ("touch", "test", "rm"):
        (nearly_empty / program).symlink_to(f"/usr/bin/{program}")
    stdout, _ = demo("--json", temp=tmp_path / "temp", PATH=str(nearly_empty))
    lines = [parsed(line) for line in stdout.splitlines()]
    effects = [(line["effect"], line["answer"]) for line in lines if line.get("event") == "effect.noted"]
    assert ("freeze", "in place") in effects
    assert ("switch 1 (symlink)", "in place") in effects
    assert ("switch 1 (command)", "in place") in effects


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    outcome = run(["demo", "--keep", str(tmp_path)], clean_environment(), 2)
    assert "is not empty" in outcome.stderr
    assert os.listdir(tmp_path) == ["mine"]
