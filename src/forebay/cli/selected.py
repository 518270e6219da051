"""From refs and `--include`, `--exclude`, `--columns`, `--where` to versions, or subsets of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forebay.errors import InputError

if TYPE_CHECKING:
    from forebay.cache.selection import Selection
    from forebay.cli.call import Call
    from forebay.client.subset import Draft
    from forebay.wire.catalog import Version

Given = Sequence[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The options as they were given; one that was not is None, or nothing."""

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

        columns = [name.strip() for item in self.columns or () for name in item.split(",") if name.strip()]
        return Selection.of(
            include=self.include or None,
            exclude=self.exclude,
            columns=columns if self.columns else None,
            where=[parse_term(text) for text in self.where or ()],
        )


def resolved(call: Call, refs: Sequence[str], chosen: Chosen = Chosen()) -> list[Version]:
    """All versions, each once: a wrong name or pattern stops the command before it does anything.

    For what will use them: what is selected and new is declared.
    """
    if chosen.everything:
        return _whole(call, refs)
    from forebay.client.subset import resolve

    selection = _selection(refs, chosen)
    return _once([resolve(call.session, ref, selection) for ref in refs])


def looked_up(call: Call, refs: Sequence[str], chosen: Chosen) -> list[Version]:
    """The same for what only asks; a selection that nobody has declared is in no catalog afterwards, either."""
    if chosen.everything:
        return _whole(call, refs)
    with drafts(call, refs, chosen) as given:
        return [draft.version for draft in given]


@contextmanager
def drafts(call: Call, refs: Sequence[str], chosen: Chosen) -> Iterator[list[Draft]]:
    """The same with the contents of what nobody has declared, until the end of the block."""
    from forebay.client.subset import drafted

    selection = chosen.selection if chosen.everything else _selection(refs, chosen)
    with ExitStack() as stack:
        given = [stack.enter_context(drafted(call.session, ref, selection)) for ref in refs]
        yield list({draft.version.ref: draft for draft in given}.values())


def _whole(call: Call, refs: Sequence[str]) -> list[Version]:
    return _once([call.session.hub.catalog.resolve(ref) for ref in refs])


def _once(versions: Sequence[Version]) -> list[Version]:
    return list({version.ref: version for version in versions}.values())


def _selection(refs: Sequence[str], chosen: Chosen) -> Selection:
    if not refs:
        raise InputError("usage", "--include and the like select from a version", todo="Name it: criteo@v1")
    return chosen.selection
