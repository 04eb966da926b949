"""The program that is sent to endpoints keeps to old Pythons, and to its own shape."""

from __future__ import annotations

import ast
import sys

from migrator.endpoints.agent.session import agent_text


def test_it_is_written_for_python_3_6() -> None:
    ast.parse(agent_text(), feature_version=(3, 6))


def test_it_needs_the_standard_library_alone() -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(agent_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert imported <= sys.stdlib_module_names - {"__future__"}  # which is younger than Python 3.6 in part
