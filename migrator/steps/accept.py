"""`accept`: end of the soak; from here on the target is the truth."""

from __future__ import annotations

from migrator.steps.scene import Scene


def accept(scene: Scene) -> None:
    """Nothing is left to be done at the endpoints: what was kept aside there is already gone."""
    scene.note("accepted: the target is the truth; the source stays frozen until it is decommissioned")
