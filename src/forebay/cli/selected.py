"""From refs and `--include`, `--exclude`, `--columns`, `--where` to versions, or subsets of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forebay.errors import InputError

if TYPE_CHECKING:
    from forebay.cache.selection import Selection
    from forebay.cli.call import Call
    from forebay.wire.catalog import Version

Given = Sequence[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The options as they were given."""

    include: Given = None
    exclude: Given = None
    columns: Given = None
    where: Given = None

    @property
    def everything(self) -> bool:
        return not (self.include or self.exclude or self.columns or self.where)

    @property
    def selection(self) -> Selection:
        from forebay.cache.selection import Selection, parse_term

        return Selection.of(
            include=self.include,
            exclude=self.exclude,
            columns=[name.strip() for item in self.columns or () for name in item.split(",") if name.strip()],
            where=[parse_term(text) for text in self.where or ()],
        )


def resolved(call: Call, refs: Sequence[str], chosen: Chosen = Chosen()) -> list[Version]:
    """All versions, each once: a wrong name or pattern stops the command before it does anything."""
    if chosen.everything:
        versions = [call.session.hub.catalog.resolve(ref) for ref in refs]
    elif not refs:
        raise InputError("usage", "--include and the like select from a version", todo="Name it: criteo@v1")
    else:
        from forebay.client.subset import resolve

        selection = chosen.selection
        versions = [resolve(call.session, ref, selection) for ref in refs]
    return list({version.ref: version for version in versions}.values())
