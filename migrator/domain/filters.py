"""Which entries the plan leaves out: gitignore rules, applied to raw names."""

from __future__ import annotations

from collections.abc import Sequence

from pathspec import GitIgnoreSpec

from migrator.domain.entries import Entry, Kind

SPECIAL_FILE = "special file"


class Filter:
    """Decides by the plan's `exclude` rules (https://git-scm.com/docs/gitignore), the same way in every scan."""

    def __init__(self, rules: Sequence[str]) -> None:
        self._rules = tuple(rules)
        self._spec = GitIgnoreSpec.from_lines(self._rules) if rules else None

    def reason(self, entry: Entry) -> str | None:
        """Why `entry` is left out, naming the rule; None when it belongs to the dataset."""
        if entry.kind is Kind.SPECIAL:
            return SPECIAL_FILE
        return self._rule(entry.path, is_directory=entry.kind is Kind.DIRECTORY)

    def hides(self, directory: bytes) -> bool:
        """Whether a folder, and so all that is in it, is left out."""
        return self._rule(directory, is_directory=True) is not None

    def _rule(self, path: bytes, *, is_directory: bool) -> str | None:
        if self._spec is None or not path:
            return None
        name = path.decode("utf-8", "surrogateescape")
        result = self._spec.check_file(name + "/" if is_directory else name)
        if not result.include:
            return None
        return "exclude" if result.index is None else f"exclude: {self._rules[result.index]}"

    def split(self, entries: Sequence[Entry]) -> tuple[list[Entry], list[tuple[Entry, str]]]:
        """The entries that belong, and those left out with their reasons; both in the order given."""
        inside: list[Entry] = []
        outside: list[tuple[Entry, str]] = []
        for entry in entries:
            reason = self.reason(entry)
            if reason is None:
                inside.append(entry)
            else:
                outside.append((entry, reason))
        return inside, outside
