"""The gate in front of every call: decides by the rules, writes the audit, and says no in a way that tells nothing.

What is hidden and what is not there take the same steps and get the same answer (PRIVATE). An act is written down
before it is done, so nothing is done that the audit does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NoReturn

from forebay.catalog.names import check_dataset_name
from forebay.catalog.records import no_dataset
from forebay.errors import ForebayError, NotAllowedError
from forebay.hub.access.rules import (
    UNKNOWN,
    Action,
    Data,
    Place,
    Principal,
    Subject,
    Verdict,
    Whole,
    decide,
    sees_all,
)
from forebay.hub.access.store import AccessStore
from forebay.hub.access.trail import Deed, Line, Request
from forebay.wire.access import Outcome

Missing = Callable[[], ForebayError]
"""Makes the error of something that is not there."""


class Gate:
    """Stands between one principal and a hub."""

    def __init__(self, access: AccessStore, principal: Principal, request: Request) -> None:
        self.access = access
        self.principal = principal
        self.request = request

    @property
    def sees_all(self) -> bool:
        return sees_all(self.principal)

    def on_dataset(
        self,
        call: str,
        action: Action,
        name: str,
        *,
        ref: str = "",
        detail: str = "",
        volume_id: str = "",
        site: str = "",
        missing: Missing | None = None,
        quiet: bool = False,
    ) -> Data:
        """Let an action on a dataset (on a volume, at a site) through, or raise; `quiet`: the audit need not have it.

        `missing` makes the error for one that is not there or may not be seen; by default that of the dataset's name.
        """
        deed = Deed(action=action.value, call=call, dataset=name, ref=ref, detail=detail)
        subject = self.access.subjects.data(name, self.principal, volume_id)
        if subject is None or subject.removed:
            self.refuse(deed, UNKNOWN, missing or (lambda: self.no_dataset(name)))
        if site:
            subject = replace(subject, at=Place(site=site))
        verdict = decide(self.principal, action, subject)
        if not verdict.allowed:
            self.refuse(deed, verdict, missing or (lambda: self.no_dataset(name)))
        self._let_through(deed, action, quiet=quiet)
        return subject

    def on_volume(
        self, call: str, action: Action, volume_id: str, *, ref: str = "", detail: str = "", quiet: bool = False
    ) -> None:
        """The same for a whole volume."""
        dataset = ref.partition("@")[0]
        told = f"volume {volume_id} {detail}".rstrip()
        deed = Deed(action=action.value, call=call, dataset=dataset, ref=ref, detail=told)
        self.on(deed, action, self.access.subjects.place(volume_id), quiet=quiet)

    def on_whole(self, call: str, action: Action, *, detail: str = "", quiet: bool = False) -> None:
        """The same for the hub itself."""
        self.on(Deed(action=action.value, call=call, detail=detail), action, Whole(), quiet=quiet)

    def on(self, deed: Deed, action: Action, subject: Subject, *, quiet: bool = False) -> None:
        """The same for a subject that is at hand."""
        self._decide(deed, action, subject)
        self._let_through(deed, action, quiet=quiet)

    def record(self, deed: Deed) -> None:
        """Write down what was allowed."""
        self._write(deed, Outcome.ALLOWED, "")

    def may(self, action: Action, subject: Subject) -> bool:
        """Whether it would be let through; writes nothing."""
        return decide(self.principal, action, subject).allowed

    def sees(self, data: Data) -> bool:
        """Whether a dataset is visible."""
        return decide(self.principal, Action.READ, data).visible

    def refuse(self, deed: Deed, verdict: Verdict, missing: Missing | None = None) -> NoReturn:
        """Write the refusal down and raise it."""
        self._write(deed, Outcome.REFUSED, verdict.reason)
        if not verdict.visible and missing is not None:
            raise missing()
        raise self._not_allowed(deed, verdict)

    def visible(self) -> set[str]:
        """The names of all datasets that this one may know of."""
        everything = self.access.subjects.everything(self.principal)
        return {item.name for item in everything if not item.removed and self.sees(item)}

    def visible_past(self) -> set[str]:
        """The same, with those that were removed: whose history this one may know."""
        return {item.name for item in self.access.subjects.everything(self.principal) if self.sees(item)}

    def visible_of(self, names: Iterable[str]) -> set[str]:
        """Those of some names that this one may know of."""
        found = self.access.subjects.named(sorted(set(names)), self.principal)
        return {item.name for item in found if not item.removed and self.sees(item)}

    def hidden_of(self, names: Iterable[str]) -> set[str]:
        """Those of some names that datasets have, or had, which this one may not know of."""
        found = self.access.subjects.named(sorted(set(names)), self.principal)
        return {item.name for item in found if not self.sees(item)}

    def no_dataset(self, name: str) -> ForebayError:
        """The error of a dataset that is not there: it names only what this one may know of. InputError `bad-name`."""
        return no_dataset(check_dataset_name(name), self.visible())

    def _decide(self, deed: Deed, action: Action, subject: Subject) -> None:
        verdict = decide(self.principal, action, subject)
        if not verdict.allowed:
            self.refuse(deed, verdict)

    def _let_through(self, deed: Deed, action: Action, *, quiet: bool) -> None:
        if action is not Action.READ and not quiet:
            self.record(deed)

    def _write(self, deed: Deed, outcome: Outcome, reason: str) -> None:
        who = self.principal
        line = Line(
            user=who.name, token_id=who.token_id, deed=deed, request=self.request, outcome=outcome, reason=reason
        )
        self.access.write_audit(line)

    def _not_allowed(self, deed: Deed, verdict: Verdict) -> NotAllowedError:
        what = f"{deed.action} {deed.dataset}".rstrip() if deed.dataset else deed.action
        return NotAllowedError(
            "not-allowed",
            f"{self.principal.name} may not {what}: {verdict.reason}.",
            todo="Ask an admin of this hub, or the dataset's owner.",
        )
