"""Which rules are asked about a dataset, about its entries, and about all datasets of a run together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from migrator.domain.reports import Finding
from migrator.planning.rules import (
    dns_key,
    dns_record,
    dns_ttl,
    keep_words,
    lost_acls,
    lost_hard_links,
    lost_holes,
    lost_nanoseconds,
    lost_setid,
    lost_xattrs,
    name_too_long,
    names_alike,
    names_collide,
    names_not_utf8,
    overlap,
    owner,
    path_too_long,
    server_version,
    source_access_unknown,
    source_empty,
    source_shrunk,
    source_writable,
    special_files,
    strangers,
    symlinks_absolute,
    symlinks_escaping,
    symlinks_refused,
    target_inodes,
    target_space,
    unreadable,
    unseen_losses,
)
from migrator.planning.rules.dns_facts import RecordFacts
from migrator.planning.rules.entry_rule import EntryRule
from migrator.planning.rules.facts import Facts

DATASET_RULES: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    server_version.about,
    source_writable.about,
    source_access_unknown.about,
    source_empty.about,
    source_shrunk.about,
    keep_words.about,
    owner.about,
    strangers.about,
    names_collide.about,
    names_alike.about,
    unseen_losses.about,
)

ENTRY_RULES: tuple[type[EntryRule], ...] = (
    name_too_long.NameTooLong,
    path_too_long.PathTooLong,
    names_not_utf8.NamesNotUtf8,
    unreadable.UnreadableFolders,
    special_files.SpecialFiles,
    lost_hard_links.LostHardLinks,
    lost_xattrs.LostXattrs,
    lost_acls.LostAcls,
    lost_setid.LostSetid,
    lost_holes.LostHoles,
    lost_nanoseconds.LostNanoseconds,
    symlinks_refused.SymlinksRefused,
    symlinks_absolute.SymlinksAbsolute,
    symlinks_escaping.SymlinksEscaping,
)

RUN_RULES: tuple[Callable[[Sequence[Facts]], Iterator[Finding]], ...] = (
    overlap.about,
    target_space.about,
    target_inodes.about,
)

RECORD_RULES: tuple[Callable[[RecordFacts], Iterator[Finding]], ...] = (dns_record.about, dns_ttl.about, dns_key.about)


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Everything that the rules have to say about one dataset, its entries excepted."""
    return tuple(finding for rule in DATASET_RULES for finding in rule(facts))


def examine_record(facts: RecordFacts) -> tuple[Finding, ...]:
    """Everything that the rules have to say about one record."""
    return tuple(finding for rule in RECORD_RULES for finding in rule(facts))


def examine_together(everything: Sequence[Facts]) -> tuple[Finding, ...]:
    """What only shows when all datasets of a run are looked at together."""
    return tuple(finding for rule in RUN_RULES for finding in rule(everything))
