"""The preflight rules: from facts about a dataset to findings. They decide and never act; `steps` gathers the facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from migrator.domain.entries import display
from migrator.domain.plan import Dataset
from migrator.domain.reports import Finding
from migrator.domain.shadow import is_shadow
from migrator.endpoints.contract import Abilities, Space


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out about one dataset, without changing anything."""

    application: str
    dataset: Dataset
    source: Abilities
    target: Abilities
    may_set_owner: bool
    strangers: tuple[bytes, ...]  # entries at the target that the journal does not know; the first few
    is_adopting: bool
    space: Space | None = None
    to_copy_bytes: int | None = None  # None before a scan
    to_copy_items: int | None = None


Rule = Callable[[Facts], Iterator[Finding]]

# What SFTP v3, and some file systems, do not carry; said once, so that nobody is surprised afterwards.
_LOSSES = {
    "hardlinks": "hard links become separate files",
    "xattrs": "extended attributes stay behind",
    "acls": "ACLs stay behind",
    "holes": "holes are filled with zeros",
}


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Everything the rules have to say about one dataset, in the order of the rules."""
    return tuple(finding for rule in RULES for finding in rule(facts))


def keep_words(facts: Facts) -> Iterator[Finding]:
    """What the plan wants kept must be within the reach of both lanes."""
    asked = frozenset(facts.dataset.keep or ())
    for side, abilities in (("source", facts.source), ("target", facts.target)):
        for word in sorted(asked - abilities.keeps):
            yield Finding(
                "keep-words",
                "error",
                f"dataset `{facts.dataset.name}`: the {abilities.lane} lane at the {side} cannot keep `{word}`",
                f"take `{word}` out of `keep`, or choose a lane and a file system at the {side} that carry it",
                facts.application,
            )


def owner(facts: Facts) -> Iterator[Finding]:
    """Only root may give files away."""
    if "owner" in (facts.dataset.keep or ()) and not facts.may_set_owner:
        yield Finding(
            "owner",
            "error",
            f"dataset `{facts.dataset.name}`: `keep: owner` needs root at the target",
            "log in as root there, run as root here, or take `owner` out of `keep`",
            facts.application,
        )


def losses(facts: Facts) -> Iterator[Finding]:
    """What these lanes do not carry is said before, not after."""
    lost = [sentence for word, sentence in _LOSSES.items() if word not in facts.source.keeps & facts.target.keeps]
    if lost:
        lanes = f"{facts.source.lane} -> {facts.target.lane}"
        yield Finding(
            "losses", "note", f"dataset `{facts.dataset.name}` ({lanes}): {', '.join(lost)}", None, facts.application
        )


def strangers(facts: Facts) -> Iterator[Finding]:
    """A target that holds something we did not bring is not ours to write into, unless the operator says so."""
    if facts.strangers and not facts.is_adopting:
        named = ", ".join(f"`{display(path)}`" for path in facts.strangers[:3])
        hint = "empty it, choose another, or run with `--adopt` to keep what is equal and replace what is not"
        if is_shadow(facts.dataset.target):
            hint = "move it away: a rehearsal needs that place for itself, and removes nothing of others"
        yield Finding(
            "strangers",
            "error",
            f"dataset `{facts.dataset.name}`: the target {facts.dataset.target} already holds entries: {named} ...",
            hint,
            facts.application,
        )


def space(facts: Facts) -> Iterator[Finding]:
    """What will be copied must fit."""
    if facts.space is None or facts.to_copy_bytes is None:
        return
    if facts.to_copy_bytes > facts.space.free_bytes:
        yield Finding(
            "target-space",
            "error",
            f"dataset `{facts.dataset.name}`: {facts.to_copy_bytes} bytes to copy, "
            f"{facts.space.free_bytes} free at {facts.dataset.target}",
            "make room at the target, or exclude what need not move",
            facts.application,
        )
    free = facts.space.free_inodes
    if free is not None and facts.to_copy_items is not None and facts.to_copy_items > free:
        yield Finding(
            "target-inodes",
            "error",
            f"dataset `{facts.dataset.name}`: {facts.to_copy_items} items to copy, {free} inodes free at "
            f"{facts.dataset.target}",
            "make room at the target, or give its file system more inodes",
            facts.application,
        )


RULES: tuple[Rule, ...] = (keep_words, owner, losses, strangers, space)
