"""Makes the previews that the hub orders, from the files of the site's volume, and tells the hub what came of them.

Without a lease: a preview shall keep nothing from going, and counts for no use. A file that goes meanwhile is a failure
like any other, which the hub orders anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from forebay.catalog.paths import check_path
from forebay.errors import ConflictError, ForebayError, InputError, InternalError, NotFoundError
from forebay.log import get_logger
from forebay.previews.apart import look_apart
from forebay.sites.agent.chores import Tended
from forebay.sites.agent.effects import StartLook
from forebay.sites.agent.events import LookEnded
from forebay.wire.cache import ReplicaState
from forebay.wire.previews import Content, ImagesPreview, PreviewDone, PreviewOrder, RowsPreview, TablePreview

_log = get_logger("agent")

Look = Callable[[PreviewOrder], Content]


class Looker:
    """`look` makes a preview, or raises."""

    def __init__(self, at: Tended, site: str, look: Look | None = None) -> None:
        self._previews = at.hub.previews
        self._site = site
        self._look = look or (lambda order: look_into(at, order))

    def start(self, effect: StartLook, ended: Callable[[LookEnded], object]) -> None:
        """In a thread of its own, which keeps no process from ending."""
        name = f"forebay-look-{effect.order.preview_id[-12:]}"
        threading.Thread(target=self._run, args=(effect, ended), name=name, daemon=True).start()

    def _run(self, effect: StartLook, ended: Callable[[LookEnded], object]) -> None:
        order = effect.order
        try:
            self._previews.done(self._site, effect.agent_token, self._made(order))
        except ForebayError as error:
            # The hub orders it anew when it has waited for long enough.
            _log.warning("look-not-told", preview=order.preview_id, kind=error.kind, error=error.message)
        finally:
            ended(LookEnded(preview_id=order.preview_id, token=order.token))

    def _made(self, order: PreviewOrder) -> PreviewDone:
        try:
            content = self._look(order)
        except ForebayError as error:
            return _failed(order, error)
        except Exception as error:  # noqa: BLE001 one preview's bug is told as its end, and ends no other
            _log.warning("look-broke", preview=order.preview_id, error=f"{type(error).__name__}: {error}")
            return _failed(order, InternalError("unexpected", f"{type(error).__name__}: {error}"))
        return PreviewDone(
            preview_id=order.preview_id,
            token=order.token,
            table=content if isinstance(content, TablePreview) else None,
            images=content if isinstance(content, ImagesPreview) else None,
            rows=content if isinstance(content, RowsPreview) else None,
        )


def look_into(at: Tended, order: PreviewOrder) -> Content:
    """What `previews.apart.look_apart` raises; ConflictError `not-ready`, InputError for a path that leads outside."""
    version = at.cache.resolve(order.ref)
    replica = at.hub.replicas.get(at.cache.volume_id, version)
    if replica is None or replica.state is not ReplicaState.READY:
        raise ConflictError("not-ready", f"{order.ref} is not ready here any more.")
    tree = at.cache.layout.tree_of(version)
    return look_apart(order.kind, {path: tree / check_path(path) for path in order.paths})


def _failed(order: PreviewOrder, error: ForebayError) -> PreviewDone:
    is_final = isinstance(error, InputError) and not isinstance(error, NotFoundError)
    return PreviewDone(
        preview_id=order.preview_id,
        token=order.token,
        kind=error.kind,
        detail=error.message,
        todo=error.todo,
        retryable=not is_final,
    )
