"""What the rules are told: what was found out about a dataset, and what a scan of its source showed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from migrator.domain.entries import Entry, Unreadable
from migrator.domain.plan import Dataset
from migrator.domain.reports import Finding
from migrator.domain.rules import Rule
from migrator.endpoints.contract import Abilities, Space


class Seen(NamedTuple):
    """A block of a scan, sorted by what the plan says of it."""

    inside: Sequence[Entry]  # that belong to the dataset
    special: Sequence[Entry]  # FIFOs, sockets and devices, which never move
    unreadable: Sequence[Unreadable]


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out about a dataset, without changing anything; None is what cannot be told or was not asked."""

    application: str
    dataset: Dataset
    source: Abilities
    target: Abilities
    may_set_owner: bool
    strangers: tuple[bytes, ...]  # entries at the target that the journal does not know; the first few
    is_adopting: bool
    source_host: str = ""  # the same for all endpoints that lead to one host in the same words
    target_host: str = ""
    space: Space | None = None
    to_copy_bytes: int | None = None
    to_copy_items: int | None = None
    at_target_items: int = 0  # that we brought there already
    size_bytes: int = 0  # of all files at the source
    in_holes_bytes: int = 0  # of these, what takes no room at the source
    in_other_names_bytes: float = 0  # of these, what is counted again by another name of the same file
    in_other_names: float = 0  # items that are another name of a file that was counted
    items: int = 0  # at the source, excluded ones left out; the root counts
    files: int = 0
    last_items: int | None = None  # that the last complete pass saw, excluded ones too
    items_in_all: int = 0  # excluded ones too
    source_may_be_written: bool | None = None
    writes_source: bool = False  # the plan says that falling back may write there with this account
    source_root: Entry | None = None
    target_root: Entry | None = None
    alike: tuple[tuple[bytes, bytes], ...] = ()  # the first pairs of names that differ in case or Unicode form only
    alike_count: int = 0
    is_comparison_complete: bool = True  # False: a folder held more names than are compared
    folds_names: bool | None = None  # whether the target takes such names for one

    def keeps(self, word: str) -> bool:
        """Whether a word of `keep` outlives the copy: both lanes carry it, and the plan does not leave it out."""
        both = self.source.keeps & self.target.keeps
        asked = self.dataset.keep
        return word in both and (word != "setid" if asked is None else word in asked)

    @property
    def room_bytes(self) -> int | None:
        """What the copy takes at the target at the least; holes and further names of a file take nothing if kept."""
        if self.to_copy_bytes is None or not self.size_bytes:
            return self.to_copy_bytes
        saved = self.in_holes_bytes * self.keeps("holes") + self.in_other_names_bytes * self.keeps("hardlinks")
        return int(self.to_copy_bytes * max(0.0, 1 - saved / self.size_bytes))

    @property
    def inodes(self) -> int | None:
        """How many inodes the copy takes at the target."""
        if self.to_copy_items is None or not self.items:
            return self.to_copy_items
        saved = self.in_other_names * self.keeps("hardlinks")
        return int(self.to_copy_items * (1 - saved / self.items))

    def finds(self, rule: Rule, sentence: str, hint: str | None) -> Finding:
        """A finding about this dataset."""
        return rule.finds(f"dataset `{self.dataset.name}`: {sentence}", hint, self.application)
