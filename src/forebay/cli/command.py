"""How a function becomes a command: with the options all commands share, an example, and errors told in one way."""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import typer
from typer.core import TyperCommand, TyperGroup

from forebay.cli import exits
from forebay.cli.call import Call, reader_gone, show_error, write
from forebay.cli.options import Home, Json, Quiet, VolumeRoot
from forebay.errors import ForebayError, InternalError

Parameters = ParamSpec("Parameters")
Function = Callable[Concatenate[Call, Parameters], None]

AFTER_DASHES = "forebay.after-dashes"
"""The key of a context's meta under which a command's class leaves what followed `--`."""

_SHARED = {"json": Json, "quiet": Quiet, "home": Home, "volume": VolumeRoot}


class Command(TyperCommand):
    """A command whose plain texts and paths are taken as they are.

    Typer would build a pydantic validator for each of a command's options, given or not: a third of a second.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for parameter in self.params:
            parameter._runtime_param = _AsGiven()  # type: ignore[attr-defined]

    def get_help_option(self, ctx: Any) -> Any:
        return _with_default(super().get_help_option(ctx))


class _AsGiven:
    """Stands where Typer keeps a parameter's validator, and makes room for that when there is something to validate."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        kind = param.type_descriptor.annotation
        if kind is str and isinstance(value, str):
            return value
        if kind is int and type(value) is int and value == param.default:
            return value
        if kind == list[str] and isinstance(value, tuple | list) and all(isinstance(item, str) for item in value):
            return list(value)
        if kind is Path and isinstance(value, str) and (os.access(value, os.R_OK) or not Path(value).exists()):
            return Path(value)
        param._runtime_param = None
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)


class Group(TyperGroup):
    """A noun with its commands. Typer would import pydantic to understand that `--help` was not given."""

    def get_help_option(self, ctx: Any) -> Any:
        return _with_default(super().get_help_option(ctx))


def _with_default(option: Any) -> Any:
    if option is not None:
        option.default = False
    return option


def command(
    app: typer.Typer,
    name: str,
    *,
    example: str,
    gives: str | Mapping[str, str],
    cls: type[Command] = Command,
) -> Callable[[Function[Parameters]], Function[Parameters]]:
    """Add a command. Its help is the function's docstring and the example.

    `gives` documents the JSON: `module:Class` of the printed object, `[module:Class]` for a list of them, or words; or
    each of these by the option with which it is printed ("" for none).
    """

    def add(function: Function[Parameters]) -> Function[Parameters]:
        entry = _entry(function)
        entry.gives = gives  # type: ignore[attr-defined]
        shown = "\n".join(f"  {line}" for line in example.strip().splitlines())
        text = f"{inspect.cleandoc(function.__doc__ or '')}\n\n\b\nExample:\n{shown}"
        app.command(name, help=text, cls=cls)(entry)
        return function

    return add


def _entry(function: Function[Parameters]) -> Callable[..., None]:
    """The function Typer sees: the command's own parameters and the shared ones."""

    def entry(ctx: typer.Context, **given: Any) -> None:
        shared = {name: given.pop(name) for name in _SHARED}
        call = Call(**shared, rest=ctx.meta.get(AFTER_DASHES, ()))
        run(lambda: function(call, **given), call)  # type: ignore[call-arg]

    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    context = inspect.Parameter("ctx", keyword, annotation=typer.Context)
    shared = [
        inspect.Parameter(name, keyword, annotation=kind, default=False if kind in (Json, Quiet) else None)
        for name, kind in _SHARED.items()
    ]
    parameters = [context, *(parameter.replace(kind=keyword) for parameter in own), *shared]
    entry.__name__ = function.__name__
    entry.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    entry.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return entry


def run(body: Callable[[], object], call: Call) -> None:
    """Run a command's body; every way to end becomes an exit code, and no traceback is shown unasked."""
    try:
        try:
            body()
        finally:
            call.close()
    except ForebayError as error:
        call.report(error)
        if os.environ.get("FOREBAY_DEBUG"):
            traceback.print_exc()
    except (KeyboardInterrupt, typer.Abort):
        write(sys.stderr, "Cancelled.")
        raise typer.Exit(exits.USAGE) from None
    except BrokenPipeError:
        raise typer.Exit(reader_gone()) from None
    except typer.Exit:
        raise
    except Exception as error:  # noqa: BLE001 the last resort, for people
        show_error(_unexpected(error), as_json=call.json)
        if os.environ.get("FOREBAY_DEBUG"):
            traceback.print_exc()
        raise typer.Exit(exits.ERROR) from None
    if call.exit_code:
        raise typer.Exit(call.exit_code)


def _unexpected(error: Exception) -> InternalError:
    told = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {told[0]}" if told else type(error).__name__
    return InternalError("unexpected", what, todo="See where it comes from with FOREBAY_DEBUG=1; please report it.")
