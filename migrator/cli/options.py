"""Arguments and options that several commands share, and how groups of them become parameters that Typer reads."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from migrator.cli.session import Everywhere, Invocation, Session

Result = TypeVar("Result")

PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", help="The plan, a YAML file.", show_default=False)]


@dataclasses.dataclass(frozen=True, slots=True)
class Chosen:
    """What of the plan a command is about."""

    wave: Annotated[str | None, typer.Option(metavar="W", help="Only this wave.")] = None
    application: Annotated[str | None, typer.Option(metavar="A", help="Only this application.")] = None


@dataclasses.dataclass(frozen=True, slots=True)
class Consent:
    """The approval that is given on the command line."""

    yes: Annotated[
        bool, typer.Option("--yes", help="Approve, as the current user, what needs no signature; skips no check.")
    ] = False


def command_of(function: Callable[..., int]) -> Callable[..., Invocation]:
    """`function`, which takes the Session first, as a command for Typer, with the options for every command added.

    Typer does not call it, since Typer would keep some exceptions to itself: the result is an Invocation.
    """
    own = {name: parameter for name, parameter in _resolved(function).items() if parameter.annotation is not Session}

    def parsed(context: typer.Context, everywhere: Everywhere, **arguments: Any) -> Invocation:
        return Invocation(everywhere.after(context.obj or Everywhere()), lambda session: function(session, **arguments))

    shared = _resolved(parsed)
    return _flattened(parsed, {"context": shared["context"], **own, "everywhere": shared["everywhere"]}, function)


def callback_of(function: Callable[..., None]) -> Callable[..., None]:
    """`function` with each dataclass among its parameters replaced by options, for Typer to call."""
    return _flattened(function, _resolved(function), function)


def _resolved(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    hints = get_type_hints(function, include_extras=True)
    return {
        name: parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }


def _flattened(
    function: Callable[..., Result], parameters: dict[str, inspect.Parameter], named_like: Callable[..., Any]
) -> Callable[..., Result]:
    """`function` with a signature in which each dataclass among `parameters` stands as the options in its fields."""
    flat = [each for parameter in parameters.values() for each in _fields(parameter)]

    def call(**values: Any) -> Result:
        return function(**{name: _gathered(parameter, values) for name, parameter in parameters.items()})

    call.__name__, call.__doc__ = named_like.__name__, named_like.__doc__
    call.__annotations__ = {each.name: each.annotation for each in flat}
    vars(call)["__signature__"] = inspect.Signature(flat)
    return call


def _fields(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    group = parameter.annotation
    if not dataclasses.is_dataclass(group):
        return [parameter]
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, annotation=hints[each.name], default=each.default)
        for each in dataclasses.fields(group)
    ]


def _gathered(parameter: inspect.Parameter, values: dict[str, Any]) -> Any:
    group = parameter.annotation
    if not dataclasses.is_dataclass(group):
        return values[parameter.name]
    assert isinstance(group, type)
    return group(**{each.name: values[each.name] for each in dataclasses.fields(group)})
