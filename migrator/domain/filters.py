"""Which entries the plan leaves out: by gitignore rules, or waived by name; both are applied to raw names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pathspec import GitIgnoreSpec

from migrator.domain.entries import Entry, Kind

SPECIAL_FILE = "special file"

_REMEMBERED = 10_000  # folders; a scan goes through one after the other


class Filter:
    """Decides by the plan's `exclude` rules (https://git-scm.com/docs/gitignore), the same way in every scan."""

    def __init__(self, rules: Sequence[str], waived: Mapping[bytes, str] | None = None) -> None:
        """`waived` has the reason for each path that, with all that is below it, may stay behind."""
        self._waived = dict(waived or {})
        self._rules = tuple(rule for rule in rules if rule)  # the library drops empty ones, and counts without them
        self._spec = GitIgnoreSpec.from_lines(self._rules) if self._rules else None
        self._hidden_by: dict[bytes, str | None] = {}  # by folder

    def reason(self, entry: Entry) -> str | None:
        """Why `entry` is left out, naming the rule; None when it belongs to the dataset."""
        rule = self._rule(entry.path, is_directory=entry.kind is Kind.DIRECTORY)
        if rule is None and entry.kind is Kind.SPECIAL:
            return SPECIAL_FILE
        return rule

    def hides(self, directory: bytes) -> bool:
        """Whether a folder, and so all that is in it, is left out by a rule or waived."""
        return self._rule(directory, is_directory=True) is not None or self._waiver(directory) is not None

    @property
    def waived(self) -> tuple[tuple[str, str], ...]:
        """What is waived and why, in order; paths in hexadecimal."""
        return tuple((path.hex(), reason) for path, reason in sorted(self._waived.items()))

    def waive(self, entries: Sequence[Entry]) -> tuple[list[Entry], list[tuple[Entry, str]]]:
        """Those that are not waived, and those that are with their reasons; both in the order given."""
        if not self._waived:
            return list(entries), []
        reasons = [(entry, self._waiver(entry.path)) for entry in entries]
        kept = [entry for entry, reason in reasons if reason is None]
        return kept, [(entry, reason) for entry, reason in reasons if reason is not None]

    def _waiver(self, path: bytes) -> str | None:
        """The reason for which `path`, or a folder above it, is waived."""
        while path:
            if path in self._waived:
                return self._waived[path]
            path = path.rpartition(b"/")[0]
        return None

    def _rule(self, path: bytes, *, is_directory: bool) -> str | None:
        if self._spec is None or not path:
            return None
        # No rule can bring back what is in a folder that is left out.
        return self._folder_rule(path.rpartition(b"/")[0]) or self._own_rule(path, is_directory=is_directory)

    def _folder_rule(self, path: bytes) -> str | None:
        """The rule that hides the folder at `path` or one above it."""
        missing = []
        while path and path not in self._hidden_by:
            missing.append(path)
            path = path.rpartition(b"/")[0]
        rule = self._hidden_by.get(path)
        if len(self._hidden_by) > _REMEMBERED:
            self._hidden_by.clear()
        for folder in reversed(missing):
            rule = rule or self._own_rule(folder, is_directory=True)
            self._hidden_by[folder] = rule
        return rule

    def _own_rule(self, path: bytes, *, is_directory: bool) -> str | None:
        if self._spec is None:
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
