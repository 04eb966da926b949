"""From the path of a plan file to a Plan: read, compose, check the shape, check the rules, build."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from migrator.domain.plan import Plan
from migrator.planfile.accepting_shape import accepting_rules
from migrator.planfile.building import build
from migrator.planfile.composing import Document, compose
from migrator.planfile.dns_shape import dns_rules
from migrator.planfile.endpoint_rules import endpoint_rules
from migrator.planfile.fall_back_rules import fall_back_rules
from migrator.planfile.finding import At, Problem, applications_of
from migrator.planfile.order_rules import name_rules, order_rules
from migrator.planfile.own_kinds import own_switch_rules
from migrator.planfile.place_rules import effect_rules, location_rules, overlap_rules
from migrator.planfile.reading import read_text
from migrator.planfile.remarks import MOST_COMPLAINTS, Place, Remark, invalid
from migrator.planfile.shapes import PlanShape
from migrator.planfile.waiver_shape import waiver_rules
from migrator.planfile.wording import shape_remarks

_RULES = (
    endpoint_rules,
    name_rules,
    order_rules,
    location_rules,
    effect_rules,
    fall_back_rules,
    dns_rules,
    own_switch_rules,
    waiver_rules,
    accepting_rules,
)


def load_plan(path: Path) -> Plan:
    """The plan in the file at `path`; raises PlanInvalid with all complaints at once."""
    document = compose(read_text(path))
    shape: PlanShape | None = None
    remarks = list(document.remarks)
    if document.is_whole:
        try:
            shape = PlanShape.model_validate(document.value)
        except ValidationError as error:
            remarks += islice(shape_remarks(document, error), MOST_COMPLAINTS)
        folder = os.path.dirname(os.path.abspath(path))
        remarks += islice(_rule_remarks(document, folder), MOST_COMPLAINTS)
    if remarks or shape is None:
        raise invalid(path, remarks)
    return build(path, shape)


def places_of_applications(path: Path) -> dict[str, Place]:
    """Where each application of the plan at `path` has its name; raises PlanInvalid."""
    document = compose(read_text(path))
    names = [application.key("name") for _, application in applications_of(At(document.value, ()))]
    return {name.text(): document.place(name.loc) for name in names}


def _rule_remarks(document: Document, folder: str) -> Iterator[Remark]:
    for problem in _problems(At(document.value, ()), folder):
        if not document.is_spoiled(problem.loc):
            place = document.place(problem.loc, of_key=problem.of_key)
            yield Remark(place, problem.message, problem.hint)


def _problems(plan: At, folder: str) -> Iterator[Problem]:
    for rule in _RULES:
        yield from rule(plan)
    yield from overlap_rules(plan, folder)
