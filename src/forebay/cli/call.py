"""One call of one command: its common flags, its session, and how its result and its errors reach the caller.

Results go to stdout, in one piece; everything else to stderr. Without a terminal there is no colour and no question.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from forebay.cli.exits import OK, exit_code
from forebay.cli.jsonable import jsonable
from forebay.cli.words import clean
from forebay.errors import ForebayError, InputError

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.client.session import Session

_UNLIMITED = 10_000


class Call:
    """What a command is given. `rest` is what followed `--` where the command takes that."""

    lean = False
    """Whether this process is the program, and ends with a command that needs neither numpy nor pandas."""

    def __init__(
        self,
        *,
        json: bool = False,
        quiet: bool = False,
        home: Path | None = None,
        volume: Path | None = None,
        rest: tuple[str, ...] = (),
    ) -> None:
        self.json = json
        self.quiet = quiet
        self.rest = rest
        self.exit_code = OK
        given = {"home": home, "volume": volume}
        self.flags = {name: path.expanduser().absolute() for name, path in given.items() if path is not None}
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """Opened when first asked for; imports what is heavy."""
        if self._session is None:
            if Call.lean:
                from forebay.cli.lean import import_arrow_alone

                import_arrow_alone()
            from forebay.client.session import Session

            _log_to_stderr()
            self._session = Session.start(self.flags)
        return self._session

    @property
    def now(self) -> float:
        return self.session.clock.now()

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    def show(
        self, value: Any, *, ids: Iterable[str] = (), human: Callable[[Console], object], one_of_many: bool = False
    ) -> None:
        """The command's result: as JSON, as ids, or in words. `one_of_many` results: each is a line of JSON."""
        if self.json and one_of_many:
            write(sys.stdout, json.dumps(jsonable(value), ensure_ascii=False))
        elif self.json:
            self._show_json(value)
        elif self.quiet:
            for item in ids:
                write(sys.stdout, item)
        else:
            human(console(sys.stdout))
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Something a person should know that is no result."""
        if not self.quiet and not self.json:
            write(sys.stderr, text)

    def report(self, error: ForebayError) -> None:
        """Tell an error; the first one decides the exit code."""
        show_error(error, as_json=self.json)
        self.exit_code = self.exit_code or exit_code(error)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something is lost; without a terminal InputError `needs-yes`, which names the flag."""
        if yes:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            todo = "Nothing was done. To do it without a question: --yes"
            raise InputError("needs-yes", f"There is nobody to ask: {clean(question)}", todo=todo)
        typer.confirm(clean(question), abort=True, err=True)

    @property
    def watched(self) -> bool:
        """Whether somebody looks on: then, and only then, progress is shown."""
        return sys.stderr.isatty() and not self.quiet

    def _show_json(self, value: Any) -> None:
        """A list may be long: its items are printed one by one."""
        if not isinstance(value, list | tuple) and not hasattr(value, "__next__"):
            write(sys.stdout, json.dumps(jsonable(value), indent=2, ensure_ascii=False))
            return
        before = "["
        for item in value:
            sys.stdout.write(f"{before}\n{json.dumps(jsonable(item), ensure_ascii=False)}")
            before = ","
        sys.stdout.write("[]\n" if before == "[" else "\n]\n")


def console(stream: TextIO) -> Console:
    """A rich console; where nobody looks it has no colour and never cuts or wraps a line."""
    from rich.console import Console

    wide = {} if stream.isatty() else {"width": _UNLIMITED}
    return Console(file=stream, highlight=False, markup=False, emoji=False, **wide)  # type: ignore[arg-type]


def write(stream: TextIO, text: str) -> None:
    """One line of text that cannot steer the terminal."""
    stream.write(f"{clean(text)}\n")


def show_error(error: ForebayError, *, as_json: bool) -> None:
    """The message, then what to do next."""
    if as_json:
        write(sys.stderr, json.dumps(jsonable(error), ensure_ascii=False))
        return
    label = "Error: "
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        label = typer.style("Error: ", fg="red", bold=True)
    sys.stderr.write(label)
    write(sys.stderr, error.message)
    for note in (*error.besides, *getattr(error, "__notes__", ())):
        write(sys.stderr, f"  ({note})")
    if error.todo:
        write(sys.stderr, error.todo)


def reader_gone() -> int:
    """`forebay ... | head` is done: what is still buffered must not fail again at exit. The code a shell expects."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


def _log_to_stderr() -> None:
    """The engine's log must not get into what a program reads; what matters of it, commands tell in words."""
    import logging

    log = logging.getLogger("forebay")
    if os.environ.get("FOREBAY_DEBUG"):
        logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
        log.setLevel(logging.DEBUG)
    else:
        log.setLevel(logging.CRITICAL)
