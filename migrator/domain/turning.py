"""An application turned round: from its targets back to its sources."""

from __future__ import annotations

from dataclasses import replace

from migrator.domain.plan import Application, Dataset, Location


def turned_round(application: Application) -> Application:
    """The application with every dataset going back: read at its target, written at its source.

    The sources are written by `fall_back.endpoint`, where the plan names one.
    """
    endpoint = application.fall_back.endpoint
    return replace(application, datasets=tuple(_turned(dataset, endpoint) for dataset in application.datasets))


def _turned(dataset: Dataset, endpoint: str | None) -> Dataset:
    home = dataset.source if endpoint is None else Location(endpoint, dataset.source.path)
    return replace(dataset, source=dataset.target, target=home)
