"""From refs and `--include`, `--exclude` to versions, or subsets of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forebay.errors import InputError

if TYPE_CHECKING:
    from forebay.cli.call import Call
    from forebay.wire.catalog import Version


def resolved(
    call: Call, refs: list[str], include: list[str] | None = None, exclude: list[str] | None = None
) -> list[Version]:
    """All versions, each once: a wrong name or pattern stops the command before it does anything."""
    if not include and not exclude:
        versions = [call.session.hub.catalog.resolve(ref) for ref in refs]
    elif not refs:
        raise InputError("usage", "--include and --exclude select from a version", todo="Name it: criteo@v1")
    else:
        from forebay.cache.selection import Selection
        from forebay.client.subset import resolve

        selection = Selection.of(include=include, exclude=exclude)
        versions = [resolve(call.session, ref, selection) for ref in refs]
    return list({version.ref: version for version in versions}.values())
