"""What makes a copy of yesterday a copy of today: from where to where a dataset goes, and what is kept on the way."""

from __future__ import annotations

import json

from migrator.domain.plan import Application, Dataset, Plan

# The part of an essence that decides what belongs to a dataset, and not what becomes of it.
SCOPE = "exclude"


def essences(plan: Plan, application: Application) -> dict[str, dict[str, str]]:
    """The essence of each dataset, by its name; another one means that what was copied no longer counts."""
    return {dataset.name: _essence(plan, dataset) for dataset in application.datasets}


def essence_text(plan: Plan, dataset: Dataset) -> str:
    """The essence of one dataset as canonical JSON."""
    return json.dumps(_essence(plan, dataset), sort_keys=True)


def _essence(plan: Plan, dataset: Dataset) -> dict[str, str]:
    return {
        "source": f"{plan.endpoint(dataset.source.endpoint).whereabouts}:{dataset.source.path!r}",
        "target": f"{plan.endpoint(dataset.target.endpoint).whereabouts}:{dataset.target.path!r}",
        "keep": ",".join(sorted(dataset.keep)) if dataset.keep is not None else "default",
        "symlinks": dataset.symlinks,
        SCOPE: json.dumps(dataset.exclude),
    }
