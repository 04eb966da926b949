"""The JSON Schema that editors use, and the documents that are made from the shape of a plan."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from migrator import planfile
from tests.support.plan_documents import REFERENCE_FILE, SCHEMA_FILE, reference_text, schema_text

PLANS = sorted((Path(__file__).parents[2] / "plans").glob("*.yaml"))
AGAIN = "run `python -m tests.support.plan_documents`"


class _Core(yaml.SafeLoader):
    """Reads plain scalars as editors do, by the core schema of YAML 1.2: neither dates nor sexagesimal numbers."""


_Core.yaml_implicit_resolvers = {}
for _tag, _shape in (("bool", "true|false"), ("int", "[-+]?[0-9]+"), ("float", r"[-+]?[0-9]+\.[0-9]+")):
    _Core.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^({_shape})$"), list("tf-+0123456789"))


def as_editors_read(text: str) -> Any:
    return yaml.load(text, Loader=_Core)


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = planfile.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.name)
def test_the_examples_are_valid(path: Path, validator: jsonschema.Draft202012Validator) -> None:
    assert [error.message for error in validator.iter_errors(as_editors_read(path.read_text(encoding="utf-8")))] == []
    assert "# yaml-language-server: $schema=migrator.schema.json\n" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "broken",
    [
        "{migration: x}",
        "{migration: X, endpoints: {}}",
        "{migration: x, endpoints: {}, colour: red}",
        "{migration: x, endpoints: {h: {local: 'yes'}}}",
        "{migration: x, endpoints: {h: {ssh: a, lane: stfp}}}",
        "{migration: x, endpoints: {h: {ssh: a, limits: {connections: 1}}}}",
        "{migration: x, endpoints: {h: {ssh: -oProxyCommand=x}}}",
        "{migration: x, endpoints: {}, waves: [{name: w, applications: [{name: a, switch: [{}]}]}]}",
        "{migration: x, endpoints: {}, waves: [{name: w, applications: [{name: a, soak: {weeks: 1}}]}]}",
        "{migration: x, endpoints: {}, waves: [{name: w, window: null}]}",
    ],
)
def test_what_is_wrong_is_seen_in_the_editor(broken: str, validator: jsonschema.Draft202012Validator) -> None:
    document = as_editors_read(broken.replace("null", "{from: 1}"))
    assert list(validator.iter_errors(document))


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        for name, each in schema.get("properties", {}).items():
            yield f"{path}.{name}", each
    for name, each in schema.get("$defs", {}).items():
        yield from properties(each, name)


def test_every_key_is_described() -> None:
    found = list(properties(planfile.schema()))
    assert len(found) > 80
    assert [name for name, each in found if not each.get("description")] == []


def test_the_schema_can_be_asked_for_twice() -> None:
    assert planfile.schema() == planfile.schema()


def test_the_schema_beside_the_plans_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), AGAIN


def test_the_reference_has_every_key() -> None:
    current = REFERENCE_FILE.read_text(encoding="utf-8")
    assert current == reference_text(current), AGAIN
    for name, _ in properties(planfile.schema()):
        assert f"| `{name.rpartition('.')[2]}` |" in current
