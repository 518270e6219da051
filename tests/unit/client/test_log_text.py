from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forebay.client.agent.log_text import Shipped, cut

logs = st.one_of(st.binary(max_size=200), st.text(max_size=80).map(str.encode))


@given(data=logs, sizes=st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_the_same_bytes_give_the_same_text_however_they_are_cut(data: bytes, sizes: list[int]) -> None:
    whole = cut(Shipped(), data, 0, is_last=True)
    done, text, turn = Shipped(), "", 0
    while done.read_bytes < len(data):
        end = done.read_bytes + sizes[turn % len(sizes)] + 4
        piece = cut(done, data[done.read_bytes : end], 0, is_last=end >= len(data))
        assert piece.offset == len(text.encode())
        done, text, turn = piece.after, text + piece.text, turn + 1
    assert text == whole.text == data.decode("utf-8", "replace")
    assert done == whole.after


def test_a_character_in_two_halves_is_sent_whole() -> None:
    first = cut(Shipped(), "ä".encode()[:1], 0, is_last=False)
    assert (first.text, first.after) == ("", Shipped())
    assert cut(first.after, "ä".encode(), 0, is_last=False).text == "ä"


def test_what_is_missing_counts() -> None:
    piece = cut(Shipped(read_bytes=10, sent_bytes=12), b"more", 100, is_last=False)
    assert (piece.offset, piece.dropped_bytes) == (112, 100)
    assert piece.after == Shipped(read_bytes=114, sent_bytes=116)
