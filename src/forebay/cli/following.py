"""How a run that is followed looks: what it prints on stdout, what becomes of it on stderr, its own exit code."""

from __future__ import annotations

import re
import sys
from shlex import quote
from typing import TYPE_CHECKING

from forebay.cli import exits
from forebay.cli.call import Call, write
from forebay.cli.words import clean, size

if TYPE_CHECKING:
    from forebay.wire.runs import LogPiece, Run

_SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")


def follow_run(call: Call, run: Run, *, attempt: int = 1) -> None:
    """Follow it from that attempt on; the exit code is its own, 1 where it never got one, 2 where it was cancelled."""
    from forebay.client.follow import Onlooker, exit_code_of, follow
    from forebay.wire.runs import RunState

    tells = not (call.json or call.quiet)
    onlooker = Onlooker(changed=_Teller(call).changed, printed=print_piece if tells else None)
    try:
        ended = follow(call.session.hub, run.run_id, onlooker, attempt=attempt)
    except KeyboardInterrupt:
        goes_on(run.run_id)
        call.exit_code = exits.USAGE
        return
    call.show(ended, ids=[ended.run_id], human=bool)
    code = exit_code_of(ended)
    if ended.state is RunState.SUCCEEDED:
        call.exit_code = exits.OK
    elif ended.state is RunState.CANCELLED:
        call.exit_code = exits.USAGE
    else:
        call.exit_code = code or exits.ERROR


def goes_on(run_id: str) -> None:
    """What is told to who stops watching."""
    named = quote(run_id)
    write(sys.stderr, f"The run goes on. Watch it: forebay runs logs -f {named}   End it: forebay runs cancel {named}")


def print_piece(attempt: int, piece: LogPiece) -> None:
    """What a run printed, on stdout: as it is for programs, without what steers a terminal for people."""
    if piece.dropped_bytes:
        sys.stdout.flush()
        write(sys.stderr, f"({size(piece.dropped_bytes)} of the log were dropped here: it had grown too long)")
    sys.stdout.write(shown(piece.text) if sys.stdout.isatty() else piece.text)
    sys.stdout.flush()


def shown(text: str) -> str:
    """A log for a terminal: colours and cursor movements are taken out, progress lines stay."""
    return "\r".join(clean(part) for part in _SEQUENCE.sub("", text).split("\r"))


class _Teller:
    """Notes each state once, with its reason."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._told = ""

    def changed(self, run: Run) -> None:
        from forebay.cli.runs_shown import told_of

        told = told_of(run)
        if told != self._told:
            self._told = told
            self._call.note(told)
