"""A small histogram, for the cell of a table: as many bars as there are bins, whose numbers stand elsewhere, too."""

from __future__ import annotations

from collections.abc import Sequence

from forebay.charts.markup import Markup, element

_HEIGHT, _BAR, _GAP = 28.0, 4.0, 1.0


def bins(counts: Sequence[float], titles: Sequence[str], label: str, *, most: float = 0.0) -> Markup:
    """An SVG image of (bins,) counts; `titles` say of each bar what it stands for, `label` of all what they show.

    What is there at all is a pixel high at least, and `most` as high as the image: by default the most there is.
    """
    most = most or max(counts, default=0.0) or 1.0
    return element(
        "svg",
        *(
            element(
                "rect",
                element("title", title),
                class_="bin",
                x=place * _BAR,
                y=_HEIGHT - _height(count, most),
                width=_BAR - _GAP,
                height=_height(count, most),
            )
            for place, (count, title) in enumerate(zip(counts, titles, strict=True))
        ),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {max(1, len(counts)) * _BAR - _GAP:g} {_HEIGHT:g}",
        preserveAspectRatio="none",
        class_="bins",
        role="img",
        aria_label=label,
    )


def _height(count: float, most: float) -> float:
    return max(1.0, _HEIGHT * count / most) if count else 0.0
