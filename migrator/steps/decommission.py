"""`decommission`: the source is retired once it is empty, and a list says what else must end."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

from migrator.domain.entries import Entry, display
from migrator.domain.phases import Phase
from migrator.domain.plan import Dataset
from migrator.errors import LoginRefused, Refused
from migrator.evidence.close_out import CloseOut, Found, accounts, as_json, copies, keys
from migrator.evidence.close_out_page import page
from migrator.steps.scene import Scene

LIST = "close-out.md"
LIST_FOR_PROGRAMS = "close-out.json"
_NAMED = 100


def decommission(scene: Scene) -> None:
    """Return only when nothing is left at any source; the close-out list is kept either way.

    Raises Refused, naming what is still there. A source that lets nobody in counts as retired only where the provider
    has attested it.
    """
    names: list[str] = []
    found = tuple(_look(scene, dataset, names) for dataset in scene.application.datasets)
    where = _keep_list(scene, found)
    left = [each for each in found if not each.is_empty]
    if left:
        raise Refused(
            f"the source is not retired: {'; '.join(f'`{each.dataset}` {each.sentence}' for each in left)}",
            hint=f"`{where}` lists all that is to be done there; then the same command looks again",
            details=tuple(names),
        )
    scene.note(f"decommissioned: nothing is left at the source; the close-out list is `{where}`")


def list_again(scene: Scene) -> None:
    """Make the list of a retired source anew, with what was attested since; what was found there stays as it was."""
    kept = scene.journal.papers.read(LIST_FOR_PROGRAMS)
    if kept is not None:
        sources = json.loads(kept)["sources"]
        _keep_list(
            scene, tuple(Found(each["dataset"], each["source"], each["is_empty"], each["found"]) for each in sources)
        )


def _keep_list(scene: Scene, found: tuple[Found, ...]) -> Path:
    close_out = _list_of(scene, found)
    scene.journal.papers.keep(LIST_FOR_PROGRAMS, (json.dumps(as_json(close_out), indent=2) + "\n").encode())
    return scene.journal.papers.keep(LIST, page(close_out).encode())


def _look(scene: Scene, dataset: Dataset, names: list[str]) -> Found:
    """What the source holds, whatever the plan excludes; the first names go into `names`."""
    source = str(dataset.source)
    try:
        with scene.source(dataset) as tree:
            if tree.stat(b"") is None:
                return Found(dataset.name, source, is_empty=True, sentence="is gone, its root included")
            count = 0
            for block in tree.scan():
                scene.stop.check()
                # A place that cannot be listed may hold anything.
                below = [each.path for each in block if not (isinstance(each, Entry) and not each.path)]
                count += len(below)
                names += [f"{dataset.name}/{display(path)}" for path in below[: max(0, _NAMED - len(names))]]
    except LoginRefused:
        is_attested = bool(scene.journal.attestations())
        sentence = "refuses the login" if is_attested else "refuses the login, and nobody has attested why"
        return Found(dataset.name, source, is_empty=is_attested, sentence=sentence)
    return Found(dataset.name, source, is_empty=not count, sentence=f"holds {count} entries" if count else "is empty")


def _list_of(scene: Scene, found: tuple[Found, ...]) -> CloseOut:
    plan, application = scene.plan, scene.application
    owner = next(each for each in plan.owners if each.key == application.owner)
    return CloseOut(
        migration=plan.migration,
        application=application.name,
        owner=owner.name,
        plan_digest=plan.digest,
        accepted_at=scene.journal.reached_at(Phase.ACCEPTED),
        made_at=dt.datetime.now(dt.UTC),
        found=found,
        accounts=tuple(accounts(plan, application)),
        keys=tuple(keys(application)),
        copies=tuple(copies(application, str(scene.journal.papers.path.parent.parent))),
        attestations=tuple(scene.journal.attestations()),
    )
