"""What a page asks of who commits folders for it: only where the hub is one's own, as with the `Lister`.

The hub itself reads no folder and sends nothing to a lake: `client.commit_here` does, and a team's hub has none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from forebay.wire.catalog import Version
from forebay.wire.hub import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A folder that is to become a dataset's next version; `made_by` "" for nothing that was said of it;
    `description` is of a dataset that this makes."""

    dataset: str
    folder: Path
    parents: tuple[str, ...]
    made_by: str
    message: str
    description: str
    team: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedHere:
    """`created` is False when the latest version already had exactly these files; `not_kept`: why it is not ready
    here, "" where it is. `description` is the dataset's afterwards, which the request's own snapshot does not know.
    """

    version: Version
    created: bool
    sent_files: int
    sent_bytes: int
    not_kept: str
    description: str


Committer = Callable[[Hub, Wanted], CommittedHere]
"""Commits as who the hub's face is for, with all that they may and may not. Errors as of `forebay dataset commit`;
CapacityError `folder-too-large`, `long-commit` for what no page waits for.
"""
