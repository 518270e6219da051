"""A file on its way, and the pieces of it that streams are writing. A piece can be cut while it is written.

Invariant: the pieces of a file cover its segments exactly once, whoever cuts them when; a byte belongs to the piece
that asked for it, and no piece asks or claims behind its end. So no byte is asked for twice, or comes for nothing.
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

from forebay.cache import pace
from forebay.digest import Hasher, new_hasher

if TYPE_CHECKING:
    from forebay.cache.plan import Segment
    from forebay.cache.transfer import Wanted


class File:
    """A temp file that one or more pieces are written to; closed by the last of them.

    `known` hashed the bytes before `known_to`, which is what the first piece brought. `given_by` names the
    volumes that gave some of it.
    """

    def __init__(self, wanted: Wanted, segments: tuple[Segment, ...]) -> None:
        self.wanted = wanted
        self.segments = segments
        self.lock = threading.Lock()
        self.descriptor = -1
        self.left = len(segments)
        self.failed = False
        self.known = new_hasher()
        self.known_to = 0
        self.given_by: set[str] = set()

    @property
    def name_is_known(self) -> bool:
        """Whether the lake can be held to one and the same object over several requests."""
        return bool(self.wanted.etag or self.wanted.version_id)


class Piece:
    """What one stream writes: from `start`, of which all up to `copied_to` is copied, to `end`, which may come nearer.

    `position` is behind the last byte that was claimed, `asked_to` behind the last that was asked for. `md5` is there
    when the lake offers such a checksum for the whole file that this piece is; a file of several pieces is read again
    for it.
    """

    def __init__(self, file: File, start: int, copied_to: int, end: int) -> None:
        self.file = file
        self.start = start
        self.copied_to = copied_to
        self.end = end
        self.position = start
        self.asked_to = copied_to
        self.hasher: Hasher = new_hasher()
        self.md5: hashlib._Hash | None = None

    def ask(self, most_bytes: int | None) -> int:
        """Ask for the next bytes, at most about so many (None: for all): behind the last of them.

        An object that has no name is asked for in one go: two answers might be about two objects. So is a rest that
        would be too little for anybody.
        """
        with self.file.lock:
            left = self.end - self.asked_to
            if most_bytes is None or not self.file.name_is_known or left - most_bytes < pace.LEAST_CUT_BYTES:
                most_bytes = left
            self.asked_to += most_bytes
            return self.asked_to

    def claim(self, count_bytes: int) -> int:
        """How many of the next bytes are this piece's; from now on nobody else can have them."""
        with self.file.lock:
            claimed = min(count_bytes, self.end - self.position)
            self.position += claimed
            return claimed

    @property
    def spare_bytes(self) -> int:
        """What another stream could have of it: half of what is left, as far as nobody has asked for that."""
        return min(self.end - self.asked_to, (self.end - max(self.position, self.copied_to)) // 2)

    def cut_rest(self) -> Piece | None:
        """What is to spare, as a piece of its own; None when that would be too little."""
        with self.file.lock:
            spare = self.spare_bytes
            if spare < pace.LEAST_CUT_BYTES or not self.file.name_is_known:
                return None
            middle = self.end - spare
            rest = Piece(self.file, middle, middle, self.end)
            self.end, self.md5 = middle, None
            self.file.left += 1
            return rest

    def ended(self) -> None:
        """All bytes are in the file and hashed."""
        if self.start == 0:
            self.file.known, self.file.known_to = self.hasher, self.end
