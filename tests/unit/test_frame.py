"""The promises of README, Makefile, CI and locks about each other."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("runtime.txt", "build.txt", "dev.txt")
PIN = re.compile(r"^([a-z0-9][a-z0-9.-]*)==(\S+)((?: ; .*)?) \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def commands_of(target: str) -> list[str]:
    """What make would carry out for `target`, without the lines that only make has a use for."""
    shown = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return shown.stdout.splitlines()


def test_the_readme_and_ci_run_the_same_tests() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r"^(?:\$ )?make test\b", readme, re.MULTILINE), "the README does not tell the test command"
    last = [line for line in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines() if line.strip()][-1]
    assert last == "exec make --no-print-directory check"
    tests, checks = commands_of("test"), commands_of("check")
    runs = {line for line in tests if "-m pytest" in line}
    assert runs
    assert runs <= set(checks)
    assert "pytest" in checks[-1], "the last words must be those of pytest"


@pytest.mark.parametrize("tool", ["ruff format --check", "ruff check", "mypy", "lint-imports", "pytest"])
def test_check_runs_every_tool(tool: str) -> None:
    assert any(tool in line for line in commands_of("check"))


def pins(lock: str) -> dict[str, str]:
    found = {}
    for line in (ROOT / "requirements" / lock).read_text(encoding="utf-8").splitlines():
        match = PIN.match(line)
        if match:
            found[match[1]] = match[2]
        else:
            # An index or a find-links line would tie the lock to one registry's address.
            assert HASH.match(line) or line.lstrip().startswith("#"), line
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_exact_versions_with_hashes_and_nothing_else(lock: str) -> None:
    assert pins(lock)
    assert "://" not in (ROOT / "requirements" / lock).read_text(encoding="utf-8")


def test_the_locks_agree_and_hold_what_the_project_asks_for() -> None:
    everything = pins("dev.txt")
    for lock in LOCKS:
        assert pins(lock).items() <= everything.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for wanted, lock in (
        (project["project"]["dependencies"], "runtime.txt"),
        (project["dependency-groups"]["build"], "build.txt"),
        ([each for each in project["dependency-groups"]["dev"] if isinstance(each, str)], "dev.txt"),
    ):
        names = {re.split(r"[<>=\[ ]", requirement)[0].lower() for requirement in wanted}
        assert names <= pins(lock).keys()


def test_ci_asks_for_missing_packages_only(tmp_path: Path) -> None:
    answer = subprocess.run(
        [ROOT / ".ci/debian-packages", "coreutils", "dpkg"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_without_root_the_missing_packages_are_named(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    answer = subprocess.run(
        [ROOT / ".ci/debian-packages", "coreutils", "no-such-package-one", "no-such-package-two"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert answer.returncode == 1
    assert "error: these Debian packages are missing: no-such-package-one no-such-package-two\n" in answer.stderr
    assert "hint: sudo apt-get install no-such-package-one no-such-package-two\n" in answer.stderr


def test_every_package_says_what_lives_in_it_and_is_typed() -> None:
    for package in sorted((ROOT / "migrator").glob("**/__init__.py")):
        assert package.read_text(encoding="utf-8").startswith('"""'), package
    assert (ROOT / "migrator" / "py.typed").exists()


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("**/*.md")), ids=lambda page: page.name
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
