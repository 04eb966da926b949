"""The guard: what must hold before users are sent to the target, and the record that it held."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.errors import SourceMoved, Unproven
from migrator.journal.proofs import Proof
from migrator.movers.crossing import Crossing
from migrator.steps.essence import essence_text
from migrator.steps.scene import Scene
from migrator.steps.verify import in_words
from migrator.verification.proof import source_changes, unproven


def guard(scene: Scene) -> None:
    """Return only when every item is proven and the source has not moved since; the proof is then on record.

    Every item must be verified after the freeze and after its copy, between two complete scans of the source of which
    the later one shows no difference. Raises Unproven or SourceMoved, naming the items.
    """
    freeze_seq = scene.journal.freeze_seq
    assert freeze_seq is not None
    proofs = {crossing.dataset.name: scene.journal.proof(crossing.dataset.name) for crossing in scene.crossings()}
    doubts = [
        *(line for crossing in scene.crossings() for line in unproven(crossing, freeze_seq)),
        *_without_proof(scene, proofs, freeze_seq),
    ]
    if doubts:
        raise Unproven(
            f"not everything is proven: {in_words(doubts)}",
            hint="the next run copies and verifies what is missing",
            details=tuple(doubts),
        )
    changes = [line for crossing in scene.crossings() for line in _changes(scene, crossing)]
    if changes:
        raise SourceMoved(
            f"the source changed after the freeze: {in_words(changes)}",
            hint="find out what still writes there; the next run repeats the final sync and the verification",
            details=tuple(changes),
        )
    for proof in proofs.values():
        if proof is not None:
            scene.journal.end_proof(proof.id)


def _without_proof(scene: Scene, proofs: dict[str, Proof | None], freeze_seq: int) -> Iterator[str]:
    """Datasets that were not verified as a whole under this freeze, or moved another way then."""
    for dataset in scene.application.datasets:
        proof = proofs[dataset.name]
        if proof is None or proof.freeze_seq != freeze_seq:
            yield f"{dataset.name}: not verified under this freeze"
        elif proof.moved_as != essence_text(scene.plan, dataset):
            yield f"{dataset.name}: it was verified when the plan had it move another way"


def _changes(scene: Scene, crossing: Crossing) -> list[str]:
    return source_changes(crossing, read_again=scene.reads_source_again(crossing.dataset))
