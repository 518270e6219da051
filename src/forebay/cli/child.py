"""Runs a command as a child in the foreground: same terminal, same files, signals passed on, its own exit code.

Ctrl-C in a terminal reaches the child by itself, as it is in the terminal's foreground group with us; a signal that
somebody sends to us alone is passed on.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from forebay.errors import InputError, NotAllowedError, NotFoundError

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_FROM_KEYBOARD = (signal.SIGINT, signal.SIGQUIT)


def run_child(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run it to its end; its exit code, 128 + n when signal n ended it.

    NotFoundError `command-not-found`, NotAllowedError `command-not-executable`, InputError `bad-command`.
    """
    pending: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, frame: FrameType | None) -> None:
        if child is None:
            pending.append(number)
        elif not (number in _FROM_KEYBOARD and _in_foreground()):
            _send(child, number)

    with _handling(pass_on):
        child = _start(command, environment)
        for number in pending:
            _send(child, number)
        code = child.wait()
    return code if code >= 0 else 128 - code


def _start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(list(command), env=dict(environment))
    except FileNotFoundError as error:
        raise NotFoundError(
            "command-not-found", f"{command[0]}: there is no such command", todo="Is it on PATH?"
        ) from error
    except PermissionError as error:
        raise NotAllowedError("command-not-executable", f"{command[0]} cannot be run: {error.strerror}") from error
    except (OSError, ValueError) as error:
        raise InputError("bad-command", f"{command[0]!r} cannot be run: {error}") from error


def _send(child: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        child.send_signal(number)


def _in_foreground() -> bool:
    """Whether the terminal gives Ctrl-C to our process group, and so to the child."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


@contextmanager
def _handling(handler: signal._HANDLER) -> Iterator[None]:
    """Python handlers are not inherited by the child: it starts with the defaults."""
    before = {number: signal.signal(number, handler) for number in _PASSED_ON}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
