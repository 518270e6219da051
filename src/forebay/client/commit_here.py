"""Commits a folder of this machine for who asks at a page of `forebay up`, as `forebay dataset commit` does.

Who may write there has any folder read that this process can read, and finds its files in the lake. That is right on
one's own machine alone, where the hub listens to this machine only and its user is the one who started it: a hub that
is served for others (`forebay hub serve`) must never be given one of these.
"""

from __future__ import annotations

import os
from contextvars import Context
from pathlib import Path

from forebay import words
from forebay.client.commit import commit
from forebay.client.session import Session
from forebay.errors import CapacityError
from forebay.hub.web.committer import CommittedHere, Wanted
from forebay.wire.catalog import MadeBy
from forebay.wire.hub import Hub

MOST_FILES = 10_000
MOST_BYTES = 1 << 30
MOST_SECONDS = 60.0
"""A page waits for it: of more than that the command makes a version, and tells how far it is."""

_TODO = "Use the command below: it tells how far it is."


class CommitHere:
    """Implements `hub.web.committer.Committer`; any number of threads may ask."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, hub: Hub, wanted: Wanted) -> CommittedHere:
        """Beside the request's own transaction: the fill that keeps it must see what others write meanwhile."""
        return Context().run(self._commit, hub, wanted)

    def _commit(self, hub: Hub, wanted: Wanted) -> CommittedHere:
        clock = self._session.clock
        until = clock.monotonic() + MOST_SECONDS

        def on_progress(stage: str, size_bytes: int) -> None:
            if clock.monotonic() > until:
                todo = f"{_TODO} What was sent is not sent again."
                raise CapacityError("long-commit", "It takes longer than a page waits.", todo=todo)

        _measure(wanted.folder)
        done = commit(
            self._session.through(hub),
            wanted.dataset,
            wanted.folder,
            parents=wanted.parents,
            message=wanted.message,
            description=wanted.description,
            made_by=MadeBy(command=wanted.made_by) if wanted.made_by else None,
            team=wanted.team,
            on_progress=on_progress,
        )
        return CommittedHere(
            version=done.version,
            created=done.created,
            sent_files=done.sent_files,
            sent_bytes=done.sent_bytes,
            not_kept=done.not_kept,
            description=hub.catalog.dataset(wanted.dataset).description,
        )


def _measure(folder: Path) -> None:
    """CapacityError `folder-too-large`, as soon as that is certain: nothing of the files is read. What can't be looked
    at is left to the commit, which says what is wrong with it.
    """
    things, size_bytes = 0, 0
    for here, folders, files in os.walk(folder):
        things += len(folders) + len(files)
        if things > MOST_FILES:
            raise _too_large(f"more than {MOST_FILES:,} files and folders")
        for name in files:
            try:
                size_bytes += os.stat(os.path.join(here, name)).st_size
            except OSError:
                continue
        if size_bytes > MOST_BYTES:
            raise _too_large(f"more than {words.size(MOST_BYTES)}")


def _too_large(what: str) -> CapacityError:
    return CapacityError("folder-too-large", f"It holds {what}: a page does not wait for so much.", todo=_TODO)
