"""The steps of a rehearsal that differ from those of a cutover: hooks and switches are asked, nothing is applied."""

from __future__ import annotations

import json
import os
from functools import partial

from migrator.domain.entries import Class, Entry, Kind
from migrator.domain.events import CheckMade, Note
from migrator.domain.plan import Location
from migrator.domain.shadow import is_shadow
from migrator.endpoints.contract import Abilities
from migrator.errors import Incomplete, SourceMoved
from migrator.steps.copying import pass_over
from migrator.steps.scene import Scene
from migrator.steps.verify import in_words, verify_under_freeze
from migrator.switching.cautious import ask
from migrator.switching.checks import Checking, make_checks
from migrator.switching.effect import Answer, Effect
from migrator.switching.effects import effects_of, freeze_effect
from migrator.transfer.course import Course
from migrator.transfer.passing import clear, final_pass
from migrator.verification.proof import source_changes

# Set in the journal while a shadow is being removed.
_CLEARING = "shadow being removed"


def ask_freeze(scene: Scene) -> None:
    """Ask the freeze's probe, and freeze nothing. Refused when it cannot tell."""
    effect = freeze_effect(scene.application, scene.place)
    if effect is not None:
        _ask(scene, effect, "the source is frozen already, so somebody did that by hand")


def sync_unfrozen(scene: Scene) -> None:
    """The last delta, deletions included; what changes meanwhile is told, and stays for the next time."""
    tallies = pass_over(scene, partial(final_pass, is_frozen=False))
    restless = sum(each.vanished + len(each.hot) for each in tallies)
    if restless:
        _warn(scene, f"{restless} files changed or vanished while they were copied: the source is not frozen")


def verify_unfrozen(scene: Scene) -> None:
    """Read everything again. Incomplete when the shadow differs; what moved on at the source is only told."""
    try:
        verify_under_freeze(scene)
    except SourceMoved as moved:
        _warn(scene, f"{len(moved.details)} files changed since they were copied: the source is not frozen")
        failed = scene.journal.tally().of(Class.FAILED)
        if failed:
            raise Incomplete(f"{failed} items differ at the rehearsal's target", hint=moved.hint) from moved


def ask_switches(scene: Scene) -> None:
    """The scan of the guard, the checks before the switch, and every switch's probe; nothing is applied.

    Refused when a probe cannot tell: the cutover would stop there.
    """
    changes = [
        line
        for crossing in scene.crossings()
        for line in source_changes(crossing, read_again=scene.reads_source_again(crossing.dataset))
    ]
    if changes:
        _warn(scene, f"a frozen source must not change; this one did: {in_words(changes)}")
    for each in make_checks(scene.application, "before", Checking(scene.place, scene.stop)):
        scene.on_event(
            CheckMade(scene.application.name, each.name, "before", each.has_passed, each.reason, each.seconds)
        )
    for effect in effects_of(scene.application, scene.place, scene.note):
        _ask(scene, effect, "it is in place already, so there would be nothing to switch")


def clear_shadow(scene: Scene) -> None:
    """Remove what the rehearsal copied, and its roots; what is not ours stays, and is told."""
    scene.hold_targets()
    scene.journal.mark(_CLEARING, "yes")
    for crossing in scene.crossings():
        with crossing.open_target() as tree:
            tree.sweep()
        clear(Course(crossing))
    scene.let_go()
    for dataset in scene.application.datasets:
        _remove_root(scene, dataset.target)
    scene.journal.mark(_CLEARING, None)


def finish_clearing(scene: Scene) -> None:
    """Remove what a run that was cut off has left of a shadow: its record still takes it for whole."""
    if scene.journal.marked(_CLEARING) is not None:
        clear_shadow(scene)


def endpoint_facts(scene: Scene) -> str:
    """What answers at either side of each dataset, as text that is another one once something changed there."""
    facts = {
        dataset.name: [_facts(scene.source_abilities(dataset)), _facts(scene.target_abilities(dataset))]
        for dataset in scene.application.datasets
    }
    return json.dumps(facts, sort_keys=True)


def _facts(abilities: Abilities) -> str:
    keeps = ",".join(sorted(abilities.keeps))
    return (
        f"{abilities.lane} {abilities.peer} {keeps} {abilities.sees_ctime:d}{abilities.hashes:d}{abilities.can_run:d}"
    )


def _ask(scene: Scene, effect: Effect, surprise: str) -> None:
    if ask(effect, scene.on_event) is not Answer.NOT_IN_PLACE:
        _warn(scene, f"{effect.name}: {surprise}")


def _remove_root(scene: Scene, root: Location) -> None:
    assert is_shadow(root)
    above, name = os.path.split(root.path)
    folder = Entry(name, Kind.DIRECTORY, 0, 0, 0o700, 0, 0)
    with scene.hosts.target(Location(root.endpoint, above), scene.journal.temp_key) as tree:
        writer = tree.writer(frozenset())
        try:
            (landed,) = writer.remove([folder])
        finally:
            writer.close()
    if landed.problem is not None:
        _warn(scene, f"{root} stays: {landed.problem}")


def _warn(scene: Scene, sentence: str) -> None:
    scene.on_event(Note(sentence, scene.application.name, "warning"))
