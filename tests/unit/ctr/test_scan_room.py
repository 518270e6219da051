"""Arrays that are used again hold nothing of the range before."""

from __future__ import annotations

import numpy as np

from forebay.ctr.scan import Room, ScannedRows, scan

FULL = "\t".join(["1", *["7"] * 13, *["0000000a"] * 26])
BLANK = "\t".join(["0", *[""] * 13, *[""] * 26])
BAD = "\t".join(["1", *["9"] * 13, *["0000000b"] * 25, "x"])


def scanned(lines: list[str], room: Room | None = None) -> ScannedRows:
    found = scan(np.frombuffer("\n".join(lines).encode(), np.uint8), skip_bad_rows=True, room=room)
    assert isinstance(found, ScannedRows)
    return found


def test_what_was_in_the_room_before_is_not_seen() -> None:
    room = Room()
    scanned([FULL] * 5, room)
    for lines in ([BLANK, BLANK], [BAD, BLANK], [BLANK] * 9, [FULL, BAD, BLANK]):
        again, fresh = scanned(lines, room), scanned(lines)
        for name in ("label", "integers", "integers_valid", "categories", "categories_valid"):
            np.testing.assert_array_equal(getattr(again, name), getattr(fresh, name))
        assert (again.bad_rows, again.first_bad) == (fresh.bad_rows, fresh.first_bad)
    assert scanned([BLANK, BLANK], room).integers.tolist() == [[0, 0]] * 13
    assert scanned([BLANK, BLANK], room).categories.tolist() == [[0, 0]] * 26
