"""The invariants about what is recorded, printed and exported."""

from __future__ import annotations

import collections
import hashlib
import itertools
import json
import stat
from collections.abc import Iterator
from pathlib import Path

from tests.faults.checker.evidence import Evidence
from tests.faults.checker.state import Database, Row

_FREEZES = frozenset({"freeze", "freeze of the target"})
_USERS_AT_TARGET = frozenset({"switching", "switched-over", "accepted", "decommissioned"})
_PROVEN = ("verified", "switching", "switched-over", "accepted", "decommissioned")
_NEEDS_A_REASON = frozenset({"excluded", "waived", "failed", "vanished"})
_MAY_STAY = frozenset({"excluded", "waived", "vanished"})
_CHAINED = {
    "journal": ("recorded_plan", "run", "approval", "refused_file", "rehearsal", "rehearsed_step"),
    "application": ("standing", "attempt", "used_approval", "effect", "scan", "loss", "proof", "attestation"),
}
_IDS = {"journal": 0x6D67_4A31, "application": 0x6D67_4131}


def i2_no_switch_without_proof(evidence: Evidence) -> Iterator[str]:
    """Users are at the target only after every item was verified under freeze, between two scans of the source."""
    if not evidence.is_switched and evidence.standing["phase"] not in _USERS_AT_TARGET:
        return
    frozen = evidence.standing["freeze_seq"]
    if evidence.standing["phase"] not in _USERS_AT_TARGET or frozen is None:
        yield f"a switch is in place in phase {evidence.standing['phase']}, with freeze number {frozen}"
        return
    for row in evidence.items:
        is_proven = row["state"] == "verified" and row["verified_seq"] > max(frozen, row["copied_seq"] or 0)
        if not is_proven and row["state"] not in _MAY_STAY:
            yield f"{row['path']!r} is {row['state']} ({row['verified_seq']}; frozen {frozen}), and users are there"
    proofs = [row for row in evidence.database.rows("proof") if row["dataset"] == evidence.place.dataset]
    if not proofs or proofs[-1]["freeze_seq"] != frozen or proofs[-1]["scan_after"] is None:
        yield "a switch has begun without a proof under this freeze"
        return
    yield from _around(evidence, proofs[-1], frozen)


def i6_killed_or_not_it_ends_alike(evidence: Evidence) -> Iterator[str]:
    """Phase, tree, classes and digests are those of a run that nobody killed."""
    if evidence.reference is None or not evidence.has_ended:
        return
    mine, theirs = evidence.ending(), evidence.reference
    if mine.phase != theirs.phase:
        yield f"it ended {mine.phase}, and not {theirs.phase}"
    for path in sorted(mine.target.keys() | theirs.target.keys()):
        if mine.target.get(path) != theirs.target.get(path):
            yield f"{path!r} at the target is {mine.target.get(path)}, and not {theirs.target.get(path)}"
    yield from (f"export has {item}" for item in sorted(map(str, mine.items - theirs.items)))
    yield from (f"export lacks {item}" for item in sorted(map(str, theirs.items - mine.items)))


def i7_nothing_acts_twice_unasked(evidence: Evidence) -> Iterator[str]:
    """Between two acts on an effect lies a probe: by our record, and by what the hooks themselves wrote down."""
    intents: dict[str, list[Row]] = collections.defaultdict(list)
    for row in evidence.database.rows("effect"):
        intents[row["effect"]].append(row)
    for effect, rows in intents.items():
        for earlier in rows[:-1]:
            if earlier["answer"] is None:
                yield f"{effect}: act {earlier['id']} was never settled, and another one followed"
    for before, act in itertools.pairwise(("", *evidence.acts)):
        if act.endswith("-begun") and not before.startswith("probe-"):
            yield f"a hook was told `{act}` after `{before}`, without a probe"


def i11_classes_add_up(evidence: Evidence) -> Iterator[str]:
    """Every item seen is in one class; what is not verified has a reason; exit 0 leaves nothing open."""
    exported = collections.Counter(row["class"] for row in evidence.exported)
    recorded = collections.Counter(row["state"] for row in evidence.items)
    if exported != recorded:
        yield f"export tells {dict(exported)}, and the manifest holds {dict(recorded)}"
    last = evidence.passes[-1] if evidence.passes else None
    if last is not None and last["is_complete"] and last["items"] != recorded.total():
        yield f"{last['items']} items were seen, and {recorded.total()} are in a class"
    for row in evidence.items:
        if row["state"] in _NEEDS_A_REASON and not row["reason"]:
            yield f"{row['path']!r} is {row['state']} without a reason"
    is_over = evidence.has_ended and evidence.standing["phase"] in _PROVEN
    if is_over and (left := [state for state in ("pending", "acknowledged", "failed") if recorded[state]]):
        yield f"it ended with exit 0, and items are {', '.join(left)}"


def i14_each_run_has_its_plan(evidence: Evidence) -> Iterator[str]:
    """Runs name a plan that was recorded, and the versions they ran with; attempts belong to a run."""
    plans = {row["digest"] for row in evidence.journal.rows("recorded_plan")}
    runs = {row["id"]: row for row in evidence.journal.rows("run")}
    for row in runs.values():
        if row["plan_digest"] not in plans or not row["versions"]:
            yield f"run {row['id']} has no recorded plan, or no versions"
    for row in evidence.database.rows("attempt"):
        if row["run_id"] not in runs:
            yield f"attempt {row['id']} belongs to no run"


def i16_no_secret_is_kept(evidence: Evidence) -> Iterator[str]:
    """None of the given values is in any file of the state, or in anything printed."""
    for secret in evidence.secrets:
        for path in _files(evidence):
            if secret in path.read_bytes():
                yield f"a secret is in {path.relative_to(evidence.place.state)}"
        if any(secret in text.encode() for text in (*evidence.said, evidence.export)):
            yield "a secret was printed"


def i17_owners_stay_apart(evidence: Evidence) -> Iterator[str]:
    """None of the given names of other owners is in this application's database and papers."""
    for path in _files(evidence):
        if path.name.startswith(evidence.place.application) or evidence.place.application in path.parts:
            for name in evidence.strangers:
                if name in path.read_bytes():
                    yield f"{name!r} of another owner is in {path.relative_to(evidence.place.state)}"


def i18_no_raw_byte_is_printed(evidence: Evidence) -> Iterator[str]:
    """No control character leaves for a terminal, whatever names and banners hold."""
    for text in (evidence.export, *evidence.said):
        odd = sorted({character for character in text if not character.isprintable() and character != "\n"})
        if odd:
            yield f"printed as it came: {odd}"


def i19_chain_holds(evidence: Evidence) -> Iterator[str]:
    """Each row of the chain follows from the one before, ends where it was left, and is what its table holds."""
    for name, database in (("journal", evidence.journal), ("application", evidence.database)):
        yield from (f"{name}: {line}" for line in _chain_faults(database, _CHAINED[name]))


def i20_state_is_sound(evidence: Evidence) -> Iterator[str]:
    """SQLite finds no fault, the files are marked as ours, and nobody else may look."""
    for name, database in (("journal", evidence.journal), ("application", evidence.database)):
        yield from (f"{name}: {fault}" for fault in database.faults)
        if database.tables and (database.application_id != _IDS[name] or database.version < 1):
            yield f"{name}: its header says {database.application_id:x}, version {database.version}"
    state = evidence.place.state
    for path in (state, *state.rglob("*")) if state.exists() else ():
        wanted = 0o700 if path.is_dir() else 0o600
        if (mode := stat.S_IMODE(path.stat().st_mode)) != wanted:
            yield f"{path.name} has mode {mode:o}"


def _around(evidence: Evidence, proof: Row, frozen: int) -> Iterator[str]:
    """Whether the two scans of a proof lie around the verification."""
    scans = {row["id"]: row for row in evidence.database.rows("scan")}
    before, after = scans[proof["scan_before"]], scans[proof["scan_after"]]
    if before["purpose"] != "pass" or not before["is_complete"] or before["begun_seq"] < frozen:
        yield f"scan {before['id']} before the verification was not a complete pass under this freeze"
    if after["purpose"] != "guard" or not after["is_complete"]:
        yield f"scan {after['id']} after the verification was not a complete guard"
    # Verifying once more after the switch gives items later numbers.
    steps = [row["step"] for row in sorted(evidence.database.rows("attempt"), key=lambda row: int(row["id"]))]
    if "verify" in steps[len(steps) - steps[::-1].index("switch-over") :] if "switch-over" in steps else False:
        return
    for row in evidence.items:
        if row["state"] == "verified" and not before["seq"] < row["verified_seq"] <= after["begun_seq"]:
            yield f"{row['path']!r} was verified ({row['verified_seq']}) outside scans {before['id']}, {after['id']}"


def _chain_faults(database: Database, tables: tuple[str, ...]) -> Iterator[str]:
    previous, number = "0" * 64, 0
    newest: dict[tuple[str, str], str] = {}
    for row in sorted(database.rows("chain"), key=lambda row: int(row["number"])):
        link = [row[key] for key in ("number", "at", "subject", "subject_id", "body")]
        if row["number"] != number + 1:
            yield f"row {row['number']} comes after row {number}"
        if hashlib.sha256(f"{previous} {_canonical(link)}".encode()).hexdigest() != row["digest"]:
            yield f"row {row['number']} does not follow from the one before"
        newest[row["subject"], row["subject_id"]] = row["body"]
        previous, number = row["digest"], int(row["number"])
    if number and database.fact("chain-head") != f"{number} {previous}":
        yield f"it ends with row {number}, and was left elsewhere"
    for table in tables:
        held = {(table, str(row["id"])): _canonical(row) for row in database.rows(table)}
        chained = {key: body for key, body in newest.items() if key[0] == table}
        yield from (
            f"{name} {row_id} is not as recorded" for (name, row_id), _ in sorted(held.items() ^ chained.items())
        )


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _files(evidence: Evidence) -> list[Path]:
    return [path for path in evidence.place.state.rglob("*") if path.is_file()]
