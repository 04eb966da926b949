"""The suite is tested too: builds of migrator that are broken on purpose, and the tests that must find each out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.cli import clean_environment

ROOT = Path(__file__).parents[2]

# Where tests stand that are named more than once, or at length.
CARRYING = "tests/unit/test_carrying.py"
LOCAL_FAULTS = "tests/faults/test_local_faults.py"
SFTP_WRITER = "tests/integration/test_sftp_writer.py"
STATE_FILES = "tests/integration/test_state_files.py"
VERIFYING = "tests/integration/test_verifying.py"
LARGE_FILES = "tests/integration/test_large_files.py"
CONFINED = "tests/integration/test_confined_writer.py"
TREES = "tests/contract/test_trees.py"
SWITCHING = "tests/unit/test_switching.py"


@dataclass(frozen=True)
class Break:
    """One thing that is done wrong in `module`, by putting `broken` where `sound` stands, and who must notice."""

    name: str
    module: str
    sound: str
    broken: str
    caught_by: tuple[str, ...]


BREAKS = (
    Break(
        "journal before rename",
        "transfer/carrying.py",
        "(Moved(moved))\n    hands.report(landing.commit())\n",
        "(Moved(moved))\n    hands.report(Group((*landing._waiting.values(),), ()))\n    landing.commit()\n",
        (f"{CARRYING}::test_each_group_is_told_once_and_only_what_is_in_place",),
    ),
    Break(
        "rename before the data is synced",
        "endpoints/agent/program.py",
        """\
        self._sync_data(group)
        by_folder = OrderedDict()
        for temp in group:
            if temp.problem is None:
                by_folder.setdefault(temp.folder, []).append(temp)
        for path, temps in by_folder.items():
            self._rename(path, temps)
""",
        """\
        by_folder = OrderedDict()
        for temp in group:
            if temp.problem is None:
                by_folder.setdefault(temp.folder, []).append(temp)
        for path, temps in by_folder.items():
            self._rename(path, temps)
        self._sync_data(group)
""",
        (
            f"{LOCAL_FAULTS}::test_a_failed_sync_of_the_file_system_is_everybody_s_problem",
            f"{LOCAL_FAULTS}::test_a_failed_sync_of_one_of_a_few_files_is_its_own",
        ),
    ),
    Break(
        "a failed sync is forgiven",
        "endpoints/agent/program.py",
        """            self._spoil(temps, b"not durable: " + sentence(error))\n""",
        "            pass\n",
        (
            f"{LOCAL_FAULTS}::test_a_failed_sync_of_the_file_system_is_everybody_s_problem",
            f"{LOCAL_FAULTS}::test_a_failed_sync_of_one_of_a_few_files_is_its_own",
        ),
    ),
    Break(
        "no sync over sftp",
        "endpoints/sftp/outgoing_file.py",
        "send(wire.FSETSTAT, self._handle + attributes, self._set)\n            self._sync()\n",
        "send(wire.FSETSTAT, self._handle + attributes, self._set)\n",
        (f"{SFTP_WRITER}::test_data_is_durable_before_its_name_shows",),
    ),
    Break(
        "no directory sync",
        "endpoints/agent/program.py",
        "        touched, self._touched = self._touched, {}\n",
        "        touched, self._touched = {}, {}\n",
        (f"{LOCAL_FAULTS}::test_names_that_may_be_lost_are_not_claimed",),
    ),
    Break(
        "a chunk is told before it is synced",
        "transfer/large_carrying.py",
        "        self._target.sync()\n        self._hands.report(ChunkDone(number, digest))\n",
        "        self._hands.report(ChunkDone(number, digest))\n        self._target.sync()\n",
        ("tests/integration/test_large_carrying.py::test_a_chunk_that_is_not_durable_is_not_told",),
    ),
    Break(
        "WAL with NORMAL",
        "journal/database.py",
        '"synchronous": 2,',
        '"synchronous": 1,',
        (
            f"{STATE_FILES}::TestOpening::test_writers[journal]",
            f"{STATE_FILES}::TestOpening::test_writers[application]",
        ),
    ),
    Break(
        "size-only verify",
        "verification/rereading.py",
        'fault = None if look.sha256 == digest else "has other content"',
        "fault = None",
        (f"{VERIFYING}::test_every_fault_is_named_stays_named_and_is_mended_by_the_next_pass[flipped]",),
    ),
    Break(
        "size-only verify of large files",
        "verification/rereading.py",
        "fault = look.chunk_fault\n",
        "fault = None\n",
        (f"{LARGE_FILES}::test_verify_finds_one_wrong_byte_in_a_chunked_file",),
    ),
    Break(
        "what cannot be read at the target counts as verified",
        "verification/rereading.py",
        "    if look.found is None:\n        return look.problem\n    if digest is not None:\n",
        "    if look.found is None:\n        return None\n    if digest is not None:\n",
        (f"{VERIFYING}::test_every_fault_is_named_stays_named_and_is_mended_by_the_next_pass[missing]",),
    ),
    Break(
        "unconfined writer: links are followed",
        "endpoints/agent/program.py",
        "how = OpenHow(flags, 0, 0x08 | 0x04)",
        "how = OpenHow(flags, 0, 0)",
        (f"{CONFINED}::TestFolders::test_only_real_folders_are_opened[by_openat2-link/inner]",),
    ),
    Break(
        "unconfined writer: links are followed where openat2 is missing",
        "endpoints/agent/program.py",
        "return os.open(names[-1], flags | os.O_NOFOLLOW, dir_fd=folder_fd)",
        "return os.open(names[-1], flags & ~os.O_NOFOLLOW, dir_fd=folder_fd)",
        (f"{CONFINED}::TestFolders::test_only_real_folders_are_opened[by_walk-link]",),
    ),
    Break(
        "unconfined writer: paths are not checked",
        "endpoints/faults.py",
        """if b"\\0" in path or any(name in {b"", b".", b".."} for name in path.split(b"/")):""",
        "if not isinstance(path, bytes):",
        (f"{TREES}::TestWriter::test_paths_that_are_none_are_refused[sftp on a pipe-../outside]",),
    ),
    Break(
        "unconfined writer: links are followed over sftp",
        "endpoints/sftp/folders.py",
        "if found.kind is not Kind.DIRECTORY:",
        "if found.kind not in (Kind.DIRECTORY, Kind.LINK):",
        (f"{TREES}::TestWriter::test_a_link_in_the_path_is_a_problem_wherever_it_leads[sftp on a pipe-../outside]",),
    ),
    Break(
        "unconfined writer: another module writes",
        "transfer/course.py",
        "\n\nclass Course",
        "\n\nimport os\n\nleave = os.rename\n\n\nclass Course",
        ("tests/unit/test_write_calls_stay_confined.py::test_no_other_module_writes",),
    ),
    Break(
        "the switch does not look at the source again",
        "steps/guard.py",
        "changes = [line for crossing in scene.crossings() for line in _changes(scene, crossing)]",
        "changes = []",
        (
            "tests/e2e/test_lying_freeze.py::test_one_that_begins_after_the_verification_is_found_out_by_the_second_scan[agent-None-adds]",
        ),
    ),
    Break(
        "an edited record is trusted",
        "orchestration/journey.py",
        "faults = [*self.gates.journal.check_chain(), *self.scene.journal.faults()]",
        "faults: list[str] = []",
        ("tests/e2e/test_no_way_round.py::test_an_edited_row_of_the_application[a counter that is set back]",),
    ),
    Break(
        "a switch is applied before its intent is on record",
        "switching/cautious.py",
        """\
    intent = memory.intend(effect.name, Verb.APPLY.value, phase)
    fail_point = "freeze" if effect.name.startswith(FREEZE) else "switch"
    failpoints.at(fail_point)
    effect.apply()
""",
        """\
    fail_point = "freeze" if effect.name.startswith(FREEZE) else "switch"
    failpoints.at(fail_point)
    effect.apply()
    intent = memory.intend(effect.name, Verb.APPLY.value, phase)
""",
        (f"{SWITCHING}::test_a_cut_in_the_middle_of_apply_is_settled_by_the_probe",),
    ),
    Break(
        "a probe that cannot tell is taken for a no",
        "switching/cautious.py",
        "    if answer is Answer.UNKNOWN:\n        doubt",
        "    if answer is Answer.UNKNOWN:\n        return Answer.NOT_IN_PLACE\n        doubt",
        (f"{SWITCHING}::test_an_unknown_answer_stops_for_a_human",),
    ),
)


def copied(to: Path) -> Path:
    """A copy of migrator and its tests; what was compiled is taken along."""
    for folder in ("migrator", "tests"):
        shutil.copytree(ROOT / folder, to / folder)
    shutil.copy(ROOT / "pyproject.toml", to)
    return to


def run_tests(tree: Path, tests: Sequence[str]) -> dict[str, set[str]]:
    """What became of the tests, as the copy of migrator in `tree` makes them come out: their names by outcome."""
    report = tree / "report.xml"
    # What pytest and its plugins left in the environment is about the run that we are in.
    environment = {name: value for name, value in clean_environment().items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *tests],
        cwd=tree,
        env={**environment, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode in (0, 1), f"the tests could not be run: {done.stdout}{done.stderr}"
    found: dict[str, set[str]] = {"passed": set(), "failure": set(), "error": set(), "skipped": set()}
    for case in ET.parse(report).iter("testcase"):
        outcome = next((child.tag for child in case if child.tag in found), "passed")
        found[outcome].add(str(case.get("name")))
    return found


def test_on_a_sound_copy_all_of_these_tests_pass(tmp_path: Path) -> None:
    tests = {test for each in BREAKS for test in each.caught_by}
    found = run_tests(copied(tmp_path), sorted(tests))
    assert len(found.pop("passed")) >= len(tests)
    assert not any(found.values()), found


@pytest.mark.parametrize("each", BREAKS, ids=lambda each: each.name)
def test_a_broken_build_is_caught(each: Break, tmp_path: Path) -> None:
    tree = copied(tmp_path)
    module = tree / "migrator" / each.module
    text = module.read_text("utf-8")
    assert text.count(each.sound) == 1, "the patch does not fit any more"
    module.write_text(text.replace(each.sound, each.broken), "utf-8")
    found = run_tests(tree, each.caught_by)
    assert len(found.pop("failure")) >= len(each.caught_by)
    assert not any(found.values()), f"not caught by every test that should: {found}"
