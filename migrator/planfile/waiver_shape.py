"""The shape of a waiver, and the rules about it: an item that may stay behind, by name and for a reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from migrator.domain.entries import undisplay
from migrator.planfile.fields import Name, Text, wrong
from migrator.planfile.finding import At, Problem, applications_of
from migrator.planfile.mapping import Mapping
from migrator.planfile.remarks import did_you_mean, quoted


def _inside(text: str) -> str:
    try:
        path = undisplay(text)
    except ValueError as error:
        raise wrong(f"is not a name as `migrator export` prints it: {quoted(text)}", str(error)) from error
    if b"\0" in path or any(part in (b"", b".", b"..") for part in path.split(b"/")):
        raise wrong(
            f"must be a path below the dataset's root, not {quoted(text)}",
            "copy the `path` that `migrator export` prints; no rule, and no `/` at either end",
        )
    return text


WaivedPath = Annotated[Text, AfterValidator(_inside)]


class WaiverShape(Mapping):
    """An item, and what is below it, that may stay behind unverified."""

    dataset: Name = Field(description="The dataset it belongs to.")
    path: WaivedPath = Field(description="Its path below the dataset's root, as `migrator export` prints it: no rule.")
    reason: Text = Field(description="Why it may stay behind; it stands in the evidence.")


def waiver_rules(plan: At) -> Iterator[Problem]:
    """Each waiver is about a dataset of its application, and no path is waived twice."""
    for _, application in applications_of(plan):
        datasets = [dataset.key("name").text() for dataset in application.key("datasets").items()]
        waived: set[tuple[str, str]] = set()
        for waiver in application.key("waive").items():
            dataset, path = waiver.key("dataset"), waiver.key("path")
            if dataset.text() and dataset.text() not in datasets:
                hint = did_you_mean(dataset.text(), datasets, "name a dataset of this application")
                yield Problem(dataset.loc, f"there is no dataset {quoted(dataset.text())}", hint)
            if (dataset.text(), path.text()) in waived:
                yield Problem(path.loc, f"{quoted(path.text())} is waived twice", "give one reason for it")
            waived.add((dataset.text(), path.text()))
