"""Writes docs/cli.md from the program itself: every command, its options, its example and the fields of its JSON.

A test sees to it that the page is what this script makes: `python scripts/cli_reference.py` brings it up to date.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer.main

from forebay.cli.exits import MEANINGS
from forebay.cli.jsonable import names
from forebay.cli.main import app

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
_SHARED = ("--json", "--quiet", "--home", "--volume", "--help")

_HEAD = """# Command line

<!-- Made by scripts/cli_reference.py from the program itself. Do not edit. -->

`REF` names a version: `criteo@v3`, `criteo@prod` (a tag), `criteo@3fa9c1` (the start of its manifest's digest, six
digits or more), or `criteo` (the latest). `NAME` names a dataset.

## What all commands share

- `--json` prints the result as one JSON document on stdout. The fields listed below each command stay; new ones may
  come. Times are Unix seconds, sizes bytes.
- `-q`, `--quiet` prints ids only, one a line: `forebay cache ls -q | xargs forebay cache verify`.
- `--home DIR` and `--volume DIR` come before the settings of the environment (`FOREBAY_HOME`, ...), of `forebay.toml`
  in this folder or above, and of the user: `forebay config show --origin`.
- Errors go to stderr: what failed, then what to do. With `--json` they are an object `{kind, message, todo}`; a `kind`
  never changes its meaning. `FOREBAY_DEBUG=1` adds the traceback.
- Without a terminal there is no colour, no progress and no question: what would ask fails and names its flag.
- Completion for your shell: `eval "$(forebay completion bash)"`.

## Exit codes

| code | meaning |
|---|---|
"""


def render() -> str:
    """The whole page."""
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in MEANINGS.items())
    after = (
        "\n`forebay exec` and `forebay run` give the command's own code, 128 + n when signal n ended it, 127 when there"
        " is no such command and 126 when it cannot be run.\n"
    )
    root = typer.main.get_command(app)
    return _HEAD + codes + after + "".join(_section(name, command) for name, command in leaves(root, "forebay"))


def leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, under its full name, in the order of the help."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for child in command.list_commands(None):
        yield from leaves(command.commands[child], f"{name} {child}")


def _section(name: str, command: Any) -> str:
    text, _, example = command.help.partition("\n\n\b\nExample:\n")
    lines = "\n".join(line.removeprefix("  ") for line in example.splitlines())
    parts = [f"\n## {name}\n\n{text}\n", f"\n```\n{lines}\n```\n", _parameters(command), _json(command.callback.gives)]
    return "".join(parts)


def _parameters(command: Any) -> str:
    rows = [_row(parameter) for parameter in command.params if not set(parameter.opts) & set(_SHARED)]
    return f"\n| argument or option | |\n|---|---|\n{''.join(rows)}" if rows else ""


def _row(parameter: Any) -> str:
    options = ", ".join(f"`{option}`" for option in parameter.opts if option.startswith("-"))
    metavar = parameter.metavar or parameter.name.upper()
    takes = "" if getattr(parameter, "is_flag", False) else f" {metavar}"
    shown = f"{options}{takes}" if options else f"`{metavar}`"
    default = parameter.default
    told = f" Default: {_default(default)}." if parameter.show_default and default not in (None, False, "", []) else ""
    return f"| {shown} | {parameter.help or ''}{told} |\n"


def _default(value: Any) -> str:
    return str(getattr(value, "value", value))


def _json(gives: str | Mapping[str, str]) -> str:
    if isinstance(gives, str):
        return f"\nJSON: {_shape(gives)}\n"
    return "".join(f"\nJSON{f' with `{option}`' if option else ''}: {_shape(what)}\n" for option, what in gives.items())


def _shape(what: str) -> str:
    """The fields of the class that is named, one level deep; words stay words."""
    inner = what.strip("[]")
    module, colon, name = inner.partition(":")
    if not colon or " " in module or "{" in module:
        return f"{what}."
    kind = getattr(importlib.import_module(module), name)
    fields = ", ".join(f"`{field}`" for field in names(kind))
    nested = "".join(_nested(kind))
    return f"{'a list of objects with' if what.startswith('[') else 'an object with'} {fields}.{nested}"


def _nested(kind: type) -> Iterator[str]:
    """The fields of the dataclasses right inside."""
    module = importlib.import_module(kind.__module__)
    for field in dataclasses.fields(kind):
        for word in str(field.type).replace("[", " ").replace("]", " ").replace(",", " ").replace("|", " ").split():
            inside = getattr(module, word, None) or _imported_for_types(module, word)
            if isinstance(inside, type) and dataclasses.is_dataclass(inside):
                yield f" `{field.name}`: {', '.join(f'`{name}`' for name in names(inside))}."


def _imported_for_types(module: Any, word: str) -> Any:
    """What a module imports only under TYPE_CHECKING, found in the places such classes come from."""
    for place in ("wire.catalog", "wire.cache", "cache.verify", "cache.policy", "client.commit", "ctr.workload"):
        found = getattr(importlib.import_module(f"forebay.{place}"), word, None)
        if found is not None:
            return found
    return None


if __name__ == "__main__":
    PAGE.write_text(render())
