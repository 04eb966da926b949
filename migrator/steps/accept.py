"""`accept`: end of the soak; from here on the target is the truth."""

from __future__ import annotations

from migrator.steps.scene import Scene


def accept(scene: Scene) -> None:
    """Return when nothing of ours is left below the target roots: neither temp files nor what was kept aside there.

    Only names are touched that the key in the journal recognises; a call that was cut off goes on with what is left.
    """
    for dataset in scene.application.datasets:
        with scene.target(dataset) as target:
            removed = target.sweep()
        if removed:
            scene.note(f"dataset `{dataset.name}`: {removed} files that were kept aside at the target are gone")
    scene.note("accepted: the target is the truth; the source stays frozen until it is decommissioned")
