"""Colours of a log become classes; everything else of a terminal is left out, and nothing becomes markup."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.hub.web.ansi import coloured, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('plain <b> & "x"', "plain &lt;b&gt; &amp; &#34;x&#34;"),
        ("\x1b[31mred\x1b[0m off", '<span class="a-red">red</span> off'),
        ("\x1b[1;92mok\x1b[22m thin\x1b[m", '<span class="a-bold a-green">ok</span><span class="a-green"> thin</span>'),
        ("\x1b[44mon\x1b[49m", '<span class="a-on-blue">on</span>'),
        (
            "\x1b[38;5;9mnine\x1b[38;2;0;200;0mgreen",
            '<span class="a-red">nine</span><span class="a-green">green</span>',
        ),
        ("\x1b[38;5;255mgrey", "grey"),
        ("\x1b]0;title\x07a\x1b[2Kb\x1b[3;4Hc\x1b(Bd", "abcd"),
        ("10%\r50%\r100%\r\nnext", "100%\nnext"),
        ("\x1b[33m10%\r\x1b[32m100%", '<span class="a-green">100%</span>'),
        ("\x1b[31mone\ntwo", '<span class="a-red">one</span>\n<span class="a-red">two</span>'),
        ("a\x00b\x9bc", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"),
        ("\x1b", ""),
        ("\x1b[999999999999m\x1b[;;mx", "x"),
        ("\x1b[38mx\x1b[38;5my", 'x<span class="a-black">y</span>'),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert str(coloured(text)) == shown


_PIECES = st.lists(
    st.sampled_from(
        ["\x1b[31m", "\x1b[0m", "\x1b[1;4m", "\x1b[38;5;200m", "\x1b]8;;http://x\x07", "\r", "\n", "<script>", "'\""]
    )
    | st.text(max_size=5)
)


@given(_PIECES)
def test_markup_is_the_plain_text_escaped_whatever_comes(pieces: list[str]) -> None:
    text = "".join(pieces)
    told = str(coloured(text))
    bare = re.sub(r'<span class="(?:a-[a-z-]+ ?)+">|</span>', "", told)
    assert "<" not in bare
    assert ">" not in bare
    unprintable = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
    assert html.unescape(bare) == unprintable.sub("\N{REPLACEMENT CHARACTER}", plain(text))
