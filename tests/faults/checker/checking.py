"""All checks at once, and what no check from outside can see."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.faults.checker import in_records, on_disk
from tests.faults.checker.evidence import Evidence

CHECKS: tuple[Callable[[Evidence], Iterable[str]], ...] = (
    on_disk.i1_final_names_are_whole,
    in_records.i2_no_switch_without_proof,
    on_disk.i3_source_is_not_written,
    on_disk.i4_nothing_outside_the_target,
    on_disk.i5_no_claim_without_the_thing,
    in_records.i6_killed_or_not_it_ends_alike,
    in_records.i7_nothing_acts_twice_unasked,
    on_disk.i8_no_lock_outlives_its_run,
    on_disk.i9_temp_names_go,
    on_disk.i10_only_ours_is_deleted,
    in_records.i11_classes_add_up,
    on_disk.i12_unknown_is_not_empty,
    in_records.i14_each_run_has_its_plan,
    in_records.i16_no_secret_is_kept,
    in_records.i17_owners_stay_apart,
    in_records.i18_no_raw_byte_is_printed,
    in_records.i19_chain_holds,
    in_records.i20_state_is_sound,
)

# Of the invariants, what leaves no trace that could be looked at afterwards, and why.
NOT_SEEN = {
    "I3": "that no write was asked for and refused: only the server's log knows (tests of the lanes)",
    "I5": "durability: a file that is in the cache alone looks the same until the power is cut",
    "I7": "bytes that travelled twice: only the wire knows (tests/faults/test_sent_again.py)",
    "I8": "that a second run would be refused: it takes two at once",
    "I13": "a refused host key leaves nothing behind, by its nature",
    "I15": "memory, descriptors and waiting are of a living process",
    "I18": "what a terminal would have shown: only what was handed to the checker is looked at",
    "I20": "that a newer state is refused untouched: it takes a newer state",
}


def violations(evidence: Evidence) -> list[str]:
    """What is violated, a line each with the number of the invariant; empty when all hold."""
    return [f"{check.__name__.partition('_')[0].upper()}: {line}" for check in CHECKS for line in check(evidence)]
