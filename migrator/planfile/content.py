"""What counts of a plan, as canonical JSON, and its digest."""

from __future__ import annotations

import hashlib
import json

from migrator.planfile.shapes import PlanShape


def content_of(shape: PlanShape) -> str:
    """The plan as canonical JSON: values normalised, keys sorted, defaults left out, relative paths as written.

    So neither layout, comments, the order of keys, a default that is spelled out, nor the place of the checkout
    count; and a later version with more keys reads the same plan as the same content.
    """
    values = shape.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest_of(content: str) -> str:
    """The hexadecimal SHA-256 of the content."""
    return hashlib.sha256(content.encode()).hexdigest()
