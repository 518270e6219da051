"""Which function answers which address. A page module has one `Pages`, and decorates its functions with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from forebay.hub.web.page import Answer
from forebay.hub.web.visit import Visit

View = Callable[[Visit], Answer]
Decorated = TypeVar("Decorated", bound=Callable[[Visit], Answer])


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`live` are the ids of the parts that a stream renews, each `{% block live_ID %}` of the template."""

    method: str
    path: str
    view: View
    live: tuple[str, ...] = ()


class Pages:
    """The pages of a noun."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def get(self, path: str, *, live: Iterable[str] = ()) -> Callable[[Decorated], Decorated]:
        """The function answers GET there; it must be cheap and change nothing."""

        def decorate(view: Decorated) -> Decorated:
            self.routes.append(Route(method="GET", path=path, view=view, live=tuple(live)))
            return view

        return decorate

    def post(self, path: str) -> Callable[[Decorated], Decorated]:
        """The function answers POST there. That it comes from a page of this hub was checked before."""

        def decorate(view: Decorated) -> Decorated:
            self.routes.append(Route(method="POST", path=path, view=view))
            return view

        return decorate


def in_order(routes: Iterable[Route]) -> list[Route]:
    """Addresses with fewer parameters first: `/sites/where` before `/sites/{name}`."""
    return sorted(routes, key=lambda route: [part.startswith("{") for part in route.path.split("/")])
