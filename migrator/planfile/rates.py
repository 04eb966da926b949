"""A rate that stands on a command line and not in a plan."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from migrator.errors import UsageError
from migrator.planfile.fields import Rate

_RATE: TypeAdapter[int] = TypeAdapter(Rate)


def rate_of(text: str) -> int:
    """Bytes a second; raises UsageError with what a plan's complaint would say."""
    try:
        return _RATE.validate_python(text)
    except ValidationError as error:
        fault = error.errors()[0]
        hint = fault["ctx"]["hint"] if "ctx" in fault else "for instance `20 MB/s`"
        raise UsageError(f"the rate {fault['msg']}", hint=str(hint)) from error
