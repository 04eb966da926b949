"""Nothing below `migrator` changes a file system, except the few modules that are meant to."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "migrator"

# Module or folder -> what it may write. Everything else goes through an endpoint's confined writer.
MAY_WRITE = {
    "endpoints/agent/program.py": "the confined writer, here and at far ends",
    "endpoints/ssh/openssh.py": "a connector's private folder",
    "endpoints/ssh/openssh_child.py": "a connector's private folder",
    "endpoints/ssh/openssh_command.py": "a connector's private folder",
    "endpoints/ssh/paramiko_trust.py": "a connector's private folder",
    "endpoints/sftp/lease.py": "asks a server to rename",
    "endpoints/sftp/writer.py": "asks a server to rename",
    "journal": "the state folder",
    "failpoints/acting.py": "the log of what failed, in tests",
    "demo": "a provider of our own in a folder of its own",
    "cli": "`--out FILE`",
    "bootstrap/approving.py": "`approve --request FILE`",
    "bootstrap/decommissioning.py": "`decommission --out DIR`",
    "__main__.py": "the traceback of a bug, in a log",
}
WRITING_OS_CALLS = frozenset({
    "chmod", "chown", "copy_file_range", "fchmod", "fchown", "ftruncate", "lchmod", "lchown", "link", "makedirs",
    "mkdir", "mkfifo", "mknod", "posix_fallocate", "remove", "removedirs", "removexattr", "rename", "renames",
    "replace", "rmdir", "setxattr", "symlink", "truncate", "unlink", "utime",
})  # fmt: skip
WRITING_FLAGS = frozenset({"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"})
WRITING_PATH_METHODS = frozenset({
    "chmod", "hardlink_to", "lchmod", "mkdir", "rename", "rmdir", "symlink_to", "touch", "unlink", "write_bytes",
    "write_text",
})  # fmt: skip
WRITING_MODES = frozenset("wax+")
HARMLESS = frozenset({"which", "get_terminal_size", "environ", "fsencode", "fsdecode", "PathLike"})


def writes(tree: ast.AST) -> list[str]:
    """The calls in a module that change a file system, as far as their names tell, with their lines."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="shutil" | "tempfile" | "os", names=names):
                found += [(node.lineno, alias.name) for alias in names if alias.name not in HARMLESS]
            case ast.Attribute(value=ast.Name(id="os"), attr=name):
                found += [(node.lineno, f"os.{name}")] if name in WRITING_OS_CALLS | WRITING_FLAGS else []
            case ast.Attribute(value=ast.Name(id="shutil" | "tempfile" as module), attr=name):
                found += [(node.lineno, f"{module}.{name}")] if name not in HARMLESS else []
            case ast.Call(func=ast.Attribute(attr=name)) if name in WRITING_PATH_METHODS:
                found.append((node.lineno, f".{name}"))
            case ast.Call() if _opens_to_write(node):
                found.append((node.lineno, "open"))
    return [f"line {line}: {what}" for line, what in found]


def _opens_to_write(call: ast.Call) -> bool:
    """Whether a call is an `open` (of Python, or of a path) with a mode that writes, or one that cannot be told."""
    match call.func:
        case ast.Name(id="open") | ast.Attribute(value=ast.Name(id="io"), attr="open") | ast.Attribute(attr="fdopen"):
            place = 1
        case ast.Attribute(value=ast.Name(id="os"), attr="open"):
            return False  # its flags are seen by themselves
        case ast.Attribute(attr="open"):
            place = 0
        case _:
            return False
    modes = [argument for argument in call.args[place : place + 1] if _is_text(argument)]
    modes += [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    return any(not isinstance(mode, ast.Constant) or WRITING_MODES & set(str(mode.value)) for mode in modes)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _may_write(module: str) -> bool:
    return any(module == allowed or module.startswith(f"{allowed}/") for allowed in MAY_WRITE)


def test_no_other_module_writes() -> None:
    found = {
        module: calls
        for path in PACKAGE.rglob("*.py")
        if not _may_write(module := path.relative_to(PACKAGE).as_posix())
        and (calls := writes(ast.parse(path.read_text("utf-8"))))
    }
    assert found == {}, "write through an endpoint, or say in MAY_WRITE what this module may write and why"


@pytest.mark.parametrize(
    "line",
    [
        "os.rename(a, b)",
        "os.mkdir('x', dir_fd=3)",
        "act = os.unlink",
        "os.open('x', os.O_WRONLY | os.O_CREAT)",
        "from os import replace",
        "shutil.rmtree(x)",
        "from shutil import copytree",
        "tempfile.mkdtemp()",
        "Path('x').write_text('y')",
        "(folder / 'x').unlink()",
        "open('x', 'w')",
        "open('x', mode='ab')",
        "path.open('r+')",
        "io.open('x', 'xb')",
    ],
)
def test_a_call_that_writes_is_found(line: str) -> None:
    assert writes(ast.parse(line)) != []


@pytest.mark.parametrize(
    "line",
    [
        "open('x')",
        "open('x', 'rb')",
        "os.open('x', os.O_RDONLY)",
        "shutil.which('ssh')",
        "text.replace('a', 'b')",
        "names.remove('a')",
        "path.open('r', encoding='ascii')",
    ],
)
def test_a_call_that_does_not_is_not(line: str) -> None:
    assert writes(ast.parse(line)) == []
