"""The JSON Schema of a plan, made from its shape."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from migrator.planfile.shapes import PlanShape


class _Generator(GenerateJsonSchema):
    """As pydantic's own, without titles that repeat the keys, and without the nulls that no plan may hold."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - its signature is pydantic's
        """Never: a key is its own title."""
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Of the value alone: an optional key is left out, never null."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Without a default that stands for nothing."""
        made = super().default_schema(schema)
        if not isinstance(made.get("default"), str | bool | int | float):
            made.pop("default", None)
        return made


def plan_schema() -> dict[str, object]:
    """The JSON Schema, draft 2020-12, with a description for every key."""
    made = PlanShape.model_json_schema(by_alias=True, schema_generator=_Generator)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "Plan of a migration"}
