"""This machine as an endpoint."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from migrator.domain.entries import display
from migrator.domain.plan import EndpointSpec
from migrator.endpoints.contract import Completed
from migrator.endpoints.local_commands import run_command
from migrator.endpoints.local_entries import sentence
from migrator.endpoints.local_source import LocalSource
from migrator.endpoints.local_target import LocalTarget
from migrator.errors import EndpointUnavailable, MigratorError, Refused


class LocalEndpoint:
    """This machine, reached by system calls; there is nothing to connect."""

    def __init__(self, spec: EndpointSpec) -> None:
        self._spec = spec

    @property
    def spec(self) -> EndpointSpec:
        """The endpoint as the plan writes it."""
        return self._spec

    def source(self, root: bytes) -> LocalSource:
        """The tree below `root`, for reading only."""
        return LocalSource(root)

    def target(self, root: bytes, temp_key: bytes) -> LocalTarget:
        """The tree below `root`, for writing."""
        return LocalTarget(root, temp_key)

    def run(self, argv: Sequence[str], timeout_seconds: float) -> Completed:
        """Run a command with the environment of migrator, secrets left out; see Endpoint.run."""
        return run_command(argv, timeout_seconds)

    def read_link(self, path: bytes) -> bytes | None:
        """The text of the symbolic link at `path`; None when nothing is there; Refused for other kinds."""
        try:
            return os.readlink(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise _not_a_link(path) from error
            raise _no_access(path, error) from error

    def point_link(self, path: bytes, to: bytes) -> None:
        """Make `path` a symbolic link to `to` in one atomic, durable step; Refused where something else stands."""
        self.read_link(path)
        folder_path, name = os.path.split(path)
        try:
            with _open_folder(folder_path) as folder_fd:
                _replace_link(folder_fd, name, to)
                os.fsync(folder_fd)
        except OSError as error:
            raise _no_access(path, error) from error

    def remove_link(self, path: bytes) -> None:
        """Remove the symbolic link at `path`, durably; one that is gone counts as removed; Refused for other kinds."""
        if self.read_link(path) is None:
            return
        folder_path, name = os.path.split(path)
        try:
            with _open_folder(folder_path) as folder_fd:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder_fd)
                os.fsync(folder_fd)
        except OSError as error:
            raise _no_access(path, error) from error

    def close(self) -> None:
        """There is no connection to close."""


@contextmanager
def _open_folder(path: bytes) -> Iterator[int]:
    folder_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder_fd
    finally:
        os.close(folder_fd)


def _replace_link(folder_fd: int, name: bytes, to: bytes) -> None:
    # Always the same temp name for one link, so that what a killed run left is replaced by the next one. It need not
    # be unguessable: making a link never follows one that stands there.
    temp_name = b".migrator-link-" + hashlib.sha256(name).hexdigest()[:24].encode()
    with suppress(FileNotFoundError):
        os.unlink(temp_name, dir_fd=folder_fd)
    os.symlink(to, temp_name, dir_fd=folder_fd)
    try:
        os.rename(temp_name, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
    except OSError:
        os.unlink(temp_name, dir_fd=folder_fd)
        raise


def _not_a_link(path: bytes) -> MigratorError:
    return Refused(
        f"`{display(path)}` on this machine is not a symbolic link",
        hint="a switch replaces links only; move what stands there out of the way",
    )


def _no_access(path: bytes, error: OSError) -> MigratorError:
    return EndpointUnavailable(
        f"cannot reach the link `{display(path)}` on this machine: {sentence(error)}",
        hint="its folder must exist, and be open to the user that runs migrator",
    )
