"""Packages that bring switches, for commands that a test starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.support.cli import Cli

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "own-switch"


def install_example(folder: Path) -> Path:
    """The folder into which pip has installed the documented example, without asking an index for anything."""
    source, target = folder / "own-switch", folder / "installed"
    shutil.copytree(EXAMPLE, source)
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*argv, "--target", str(target), str(source)], check=True, capture_output=True)
    return target


def write_package(folder: Path, name: str, program: str) -> Path:
    """The folder with a package `NAME 1.0` that brings the kind `NAME`: the class `Kind` of `program`."""
    module = name.replace("-", "_")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[migrator.switches]\n{name} = {module}:Kind\n")
    (folder / f"{module}.py").write_text(program)
    return folder


def with_package(cli: Cli, folder: Path) -> Cli:
    """The same command line with what is installed in `folder`."""
    paths = [os.environ.get("PYTHONPATH", ""), str(folder)]
    return replace(cli, environment={**cli.environment, "PYTHONPATH": os.pathsep.join(filter(None, paths))})
