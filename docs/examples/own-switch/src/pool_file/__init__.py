"""The switch `pool-file`: the name of the pool in use, in a file that a load balancer watches."""

from __future__ import annotations

from typing import Any

_SECONDS = 30.0
# The file is replaced in one step, so that nobody reads half a name. No part of the plan becomes part of the script.
_WRITE = 'printf "%s\\n" "$1" > "$2.new" && mv -f -- "$2.new" "$2"'


class PoolFile:
    """`pool-file: {on: target, file: /etc/balancer/pool, pool: dc18}`."""

    @staticmethod
    def check(settings: dict[str, Any]) -> None:
        """Raise ValueError when the settings make no sense; `migrator plan` shows it at the line of the plan."""
        unknown = sorted(settings.keys() - {"on", "file", "pool"})
        if unknown:
            raise ValueError(f"does not know the key {unknown[0]}")
        if not str(settings.get("file", "")).startswith("/"):
            raise ValueError("needs `file`, an absolute path")
        if not settings.get("pool"):
            raise ValueError("needs `pool`, the name to write")

    def __init__(self, settings: dict[str, Any], hands: Any) -> None:
        self._on = settings.get("on", "here")
        self._file = settings["file"]
        self._pool = settings["pool"]
        self._hands = hands

    def probe(self) -> bool | None:
        """Whether our pool is in use; None when that cannot be read."""
        pool = self._read()
        return None if pool is None else pool == self._pool

    def prepare(self) -> str | None:
        """The pool in use before, for `undo`."""
        return self._read()

    def apply(self) -> None:
        """Write our pool."""
        self._write(self._pool)

    def undo(self, prepared: str | None) -> None:
        """Write the former pool back."""
        if prepared is None:
            raise RuntimeError("no record of the pool that was in use before")
        self._write(prepared)

    def _read(self) -> str | None:
        completed = self._hands.run(self._on, ["cat", "--", self._file], _SECONDS)
        return completed.stdout.decode().strip() if completed.status == 0 else None

    def _write(self, pool: str) -> None:
        completed = self._hands.run(self._on, ["sh", "-c", _WRITE, "sh", pool, self._file], _SECONDS)
        if completed.status != 0:
            raise RuntimeError(f"{self._file} cannot be written: {completed.stderr.decode(errors='replace').strip()}")
