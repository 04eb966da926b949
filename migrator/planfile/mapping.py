"""What every mapping of a plan shares: no unknown key, no guessing; and the short forms some of them have."""

from __future__ import annotations

from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import core_schema


class Mapping(BaseModel):
    """A mapping of the plan: its fields are the keys, their descriptions the reference."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_by_alias=True, serialize_by_alias=True)


@dataclass(frozen=True, eq=False)
class Short:
    """Marks a mapping that may be written as one value: that of `key`."""

    key: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """The mapping, or the value on its own."""
        return core_schema.no_info_before_validator_function(self._spell_out, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Both forms."""
        inner = handler(schema)
        own = handler.resolve_ref_schema(inner)["properties"][self.key]
        return {"anyOf": [{name: own[name] for name in own if name not in {"description", "default"}}, inner]}

    def _spell_out(self, value: object) -> object:
        return value if isinstance(value, dict) else {self.key: value}


def keys_of(shape: type[Mapping]) -> dict[str, FieldInfo]:
    """The keys of a mapping as they are written, in the order of its shape."""
    return {field.alias or name: field for name, field in shape.model_fields.items()}


def shape_of(annotation: Any) -> type[Mapping] | None:
    """The mapping that stands behind an annotation, or behind the items of a list or mapping; None for plain values."""
    found = bare(annotation)
    while get_origin(found) in {list, dict}:
        found = bare(get_args(found)[-1])
    return found if isinstance(found, type) and issubclass(found, Mapping) else None


def shape_at(root: type[Mapping], loc: tuple[str | int, ...]) -> type[Mapping] | None:
    """The mapping that `root` has at `loc`; None where it has none."""
    found: Any = root
    for key in loc:
        if isinstance(found, type) and issubclass(found, Mapping):
            field = keys_of(found).get(str(key))
            found = bare(field.annotation) if field else None
        else:
            arguments = get_args(found)
            found = bare(arguments[-1]) if arguments else None
    return found if isinstance(found, type) and issubclass(found, Mapping) else None


def bare(annotation: Any) -> Any:
    """The type itself, without what marks it and without the None of an optional key."""
    while get_origin(annotation) in {Annotated, Union, UnionType}:
        annotation = next(each for each in get_args(annotation) if each is not type(None))
    return annotation
