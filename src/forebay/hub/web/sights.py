"""What people see, kept while the mark of all rights is the same: to find it out looks at every dataset there is.

Invariant: PRIVATE, a sight is given only at the mark that was read in the snapshot in which it was found.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from forebay.hub.access.rights_mark import mark_of
from forebay.hub.access.rules import Person, sees_all
from forebay.hub.board.sight import Sight, sight_of
from forebay.hub.web.unnamed import Unnamed, is_known_for

_MOST: Final = 64


class Sights:
    """Of one process. Any number of threads may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mark = ""
        self._found: tuple[Sight, ...] = ()

    def of(self, connection: Connection, principal: Person, mark: str = "") -> Sight:
        """What somebody may see by what the caller's transaction sees; `mark` is that of its rights, "" to read it.

        Who differs from somebody else in no way that was looked at sees the same.
        """
        if sees_all(principal):
            return Sight(principal=principal)
        mark = mark or mark_of(connection)
        with self._lock:
            known = self._found if self._mark == mark else ()
        found = next((sight for sight in known if is_known_for(sight, principal)), None)
        if found is None:
            found = sight_of(connection, Unnamed.of(principal))
            with self._lock:
                self._found = (found, *(self._found if self._mark == mark else ()))[:_MOST]
                self._mark = mark
        return replace(found, principal=principal)
