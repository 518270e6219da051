"""One request for a page: who asks, what they may see and do, and what the address and the form say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from forebay.hub.access.rules import Action, Data, Subject, Whole, decide
from forebay.hub.api.acting import TeamHub
from forebay.hub.board.checkup import Checkups
from forebay.hub.board.keep import Keep
from forebay.hub.board.sight import Sight
from forebay.hub.web.committer import Committer
from forebay.hub.web.lister import Lister

Pairs = tuple[tuple[str, str], ...]

CURSORS: Final = ("after", "before", "page", "start")
"""What an address calls the place that a table begins at."""

_EXPORTED = 100_000
"""Rows of a table as CSV or JSON, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """`read` opens a read transaction, the same for the whole of a GET. `path` has the route's parameters, decoded;
    `queries` and `fields` are the address's and the form's pairs in their order. `now` is in Unix seconds.
    `lister` lists lakes for who registers and `committer` commits folders, where this hub does that. `keep` is for what
    is added up over whole tables.
    """

    hub: TeamHub
    sight: Sight
    read: Callable[[], AbstractContextManager[Connection]]
    data_of: Callable[[str], Data | None]
    now: float
    address: str
    path: Mapping[str, str]
    query_pairs: Pairs = ()
    form_pairs: Pairs = ()
    lister: Lister | None = None
    committer: Committer | None = None
    checkups: Checkups = field(default_factory=Checkups)
    keep: Keep

    @property
    def query(self) -> Mapping[str, str]:
        """The address's parameters; of one that is repeated the last."""
        return dict(self.query_pairs)

    @property
    def form(self) -> Mapping[str, str]:
        """A form's fields; of one that is repeated the last."""
        return dict(self.form_pairs)

    def queries(self, name: str) -> tuple[str, ...]:
        """All values of a parameter of the address."""
        return tuple(value for key, value in self.query_pairs if key == name)

    def fields(self, name: str) -> tuple[str, ...]:
        """All values of a field of the form."""
        return tuple(value for key, value in self.form_pairs if key == name)

    @property
    def exports(self) -> str:
        """The table that is asked for as CSV or JSON; "" for the page itself."""
        return self.query.get("table", "") if self.query.get("as") in ("csv", "json") else ""

    def limit(self, rows: int) -> int:
        """How many rows of a table the page needs: so many, or all that an export may have."""
        return _EXPORTED if self.exports else rows

    def may(self, action: Action, subject: Subject | None = None) -> bool:
        """Whether that is allowed, on the hub as a whole unless a subject is named."""
        return decide(self.sight.principal, action, subject or Whole()).allowed

    def may_on(self, action: Action, dataset: str) -> bool:
        """Whether that is allowed on a dataset, which is looked up."""
        data = self.data_of(dataset)
        return data is not None and not data.removed and decide(self.sight.principal, action, data).allowed
