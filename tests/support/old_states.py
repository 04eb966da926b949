"""States as earlier versions of migrator left them, one for each schema and phase; kept in tests/data/states.

They are made by the very code of that time, never by hand: `python -m tests.support.old_states TREE SCHEMA`, where
TREE is a checkout of the version that had that schema, and this Python can run it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from migrator.domain.phases import Phase
from tests.support.cli import Cli

STATES = Path(__file__).parents[1] / "data" / "states"
MIGRATION, NAME = "old-house", "portail"

# A state belongs to a source and a target at their paths, wherever a test unpacks it: these paths are the same for all,
# and lead to wherever the command is started.
PLAN = """\
migration: old-house
endpoints:
  here: {local: true}
waves:
  - name: july
    applications:
      - name: portail
        datasets:
          - {name: files, source: "here:/proc/self/cwd/source", target: "here:/proc/self/cwd/target"}
        freeze:
          on: here
          apply: [touch, frozen]
          probe: [test, -e, frozen]
          undo: [rm, -f, frozen]
        switch:
          - command:
              on: here
              apply: [touch, first]
              probe: [test, -e, first]
              undo: [rm, -f, first]
          - command:
              on: here
              apply: [sh, -c, 'test ! -e out-of-order && touch second']
              probe: [test, -e, second]
              undo: [rm, -f, second]
"""
_FILES = {"readme": b"words\n", "folder/empty": b"", "folder/deep/large": b"0123456789abcdef" * 5000}
_MTIME_NS = 1_530_534_645_000_000_000  # whole seconds: the archive's format carries no more


@dataclass(frozen=True)
class Ground:
    """A folder with the plan, the source, and whatever else a phase has brought."""

    folder: Path

    @property
    def plan(self) -> Path:
        return self.folder / "plan.yaml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def cli(self) -> Cli:
        """The command line of today with this plan and this state, started there."""
        return Cli(self.plan, self.state, {}, self.folder)

    def plant(self) -> None:
        """Write the plan and the source."""
        self.plan.write_text(PLAN)
        source = self.folder / "source"
        for name, content in _FILES.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(content)
        (source / "link").symlink_to("folder/deep")
        for folder, _, files in os.walk(source, topdown=False):
            for path in (*(os.path.join(folder, name) for name in files), folder):
                os.utime(path, ns=(_MTIME_NS, _MTIME_NS), follow_symlinks=False)


def archive(schema: int, phase: Phase) -> Path:
    """Where the state of that phase is kept."""
    return STATES / f"schema-{schema}" / f"{phase}.tar.xz"


def kept() -> list[tuple[int, Phase]]:
    """Every schema and phase of which a state is kept."""
    return sorted(
        (int(path.parent.name.partition("-")[2]), Phase(path.name.partition(".")[0]))
        for path in STATES.glob("schema-*/*.tar.xz")
    )


def unpack(schema: int, phase: Phase, folder: Path) -> Ground:
    """The state with its plan, target and flags below `folder`, and the source planted anew beside them."""
    with tarfile.open(archive(schema, phase)) as tar:
        tar.extractall(folder, filter="tar")  # ours; `data` would forget the modes of folders
    if (folder / "target" / "link").is_symlink():  # of links the archive keeps no time
        os.utime(folder / "target" / "link", ns=(_MTIME_NS, _MTIME_NS), follow_symlinks=False)
    ground = Ground(folder)
    ground.plant()
    return ground


def _make(tree: Path, schema: int) -> None:
    (STATES / f"schema-{schema}").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder))
        ground.plan.write_text(PLAN)
        _run(tree, ground, "run", expect=10)  # without a source nothing leads on from `planned`
        _keep(ground, schema, Phase.PLANNED)
        ground.plant()
        for phase in (Phase.CHECKED, Phase.SEEDED, Phase.FROZEN, Phase.SYNCED, Phase.VERIFIED):
            _run(tree, ground, "run", "--yes", "--until", phase)
            _keep(ground, schema, phase)
        (ground.folder / "out-of-order").touch()
        _run(tree, ground, "run", "--yes", expect=4)
        (ground.folder / "out-of-order").unlink()
        _keep(ground, schema, Phase.SWITCHING)
        _run(tree, ground, "run", "--yes")
        _keep(ground, schema, Phase.SWITCHED_OVER)
        _run(tree, ground, "accept")
        _keep(ground, schema, Phase.ACCEPTED)
        if schema > 1:  # the version with the first schema retired no source
            shutil.rmtree(ground.folder / "source")
            _run(tree, ground, "decommission")
            _keep(ground, schema, Phase.DECOMMISSIONED)


def _run(tree: Path, ground: Ground, command: str, *options: str, expect: int = 0) -> None:
    argv = [sys.executable, "-m", "migrator", command, str(ground.plan), "--state", str(ground.state), *options]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    code = subprocess.run(argv, cwd=ground.folder, env=environment, check=False).returncode
    if code != expect:
        sys.exit(f"error: `{command} {' '.join(options)}` ended with {code}, not {expect}")


def _keep(ground: Ground, schema: int, phase: Phase) -> None:
    with tarfile.open(archive(schema, phase), "w:xz") as tar:
        for path in sorted(ground.folder.iterdir()):
            if path.name not in {"plan.yaml", "source"}:
                tar.add(path, path.name)


if __name__ == "__main__":
    _make(Path(sys.argv[1]).resolve(), int(sys.argv[2]))
