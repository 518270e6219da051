"""Commands of the form `forebay ... -- COMMAND [ARGS]...`."""

from __future__ import annotations

from typing import Any

from forebay.cli.command import AFTER_DASHES, Command


class AfterDashes(Command):
    """Keeps what follows the first `--` apart: Typer itself would forget where it was."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[AFTER_DASHES] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "-- COMMAND [ARGS]..."]
