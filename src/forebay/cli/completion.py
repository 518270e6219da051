"""`forebay completion`: the shell's own completion, printed. Typer's options for it would slow down every command."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer
import typer.completion

from forebay.cli.call import Call
from forebay.cli.command import command


class Shell(StrEnum):
    """Shells with completion."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The script to load."""

    shell: str
    script: str


def add_to(app: typer.Typer) -> None:
    """Add the command, and answer the questions that the printed script asks."""
    typer.completion.completion_init()  # type: ignore[attr-defined]
    command(
        app,
        "completion",
        example="""
eval "$(forebay completion bash)"
forebay completion fish > ~/.config/fish/completions/forebay.fish""",
        gives="forebay.cli.completion:Completion",
    )(completion)


def completion(
    call: Call, shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish", show_default=False)]
) -> None:
    """Print the completion script of a shell."""
    make = typer.completion.get_completion_script  # type: ignore[attr-defined]
    script = str(make(prog_name="forebay", complete_var="_FOREBAY_COMPLETE", shell=shell.value))
    result = Completion(shell=shell.value, script=script)
    call.show(result, ids=[script], human=lambda out: out.out(script))
