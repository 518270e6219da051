"""The log-in that `forebay login` keeps: a hub and a token for it, in a file that nobody else may read."""

from __future__ import annotations

import json
from pathlib import Path

from forebay.client.remote.hub import RemoteHub
from forebay.errors import InputError, NotAllowedError
from forebay.fsio import Disk
from forebay.settings import load, login_file
from forebay.wire.access import Me


def log_in(url: str, token: str, folder: Path) -> Me:
    """Keep both, once the hub has said who that is; what it refuses is not kept.

    InputError `bad-setting`, `no-token`; NotAllowedError `not-signed-in`, `login-not-kept`; UnavailableError.
    """
    if not token:
        raise InputError("no-token", "No token was given.", todo="An admin makes one: forebay token make --user NAME")
    settings = load({"hub": url, "token": token}).settings
    hub = RemoteHub(settings.hub, settings.token, folder)
    try:
        me = hub.access.me()
    finally:
        hub.close()
    path = login_file()
    text = f"# Written by: forebay login\nhub = {json.dumps(settings.hub)}\ntoken = {json.dumps(settings.token)}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Disk().write_private(path, text.encode())
    except OSError as error:
        todo = "Give write permission there, or set FOREBAY_HUB and FOREBAY_TOKEN."
        raise NotAllowedError("login-not-kept", f"cannot write {path}: {error.strerror}", todo=todo) from error
    return me


def log_out() -> bool:
    """Forget it; whether there was one. NotAllowedError `login-not-forgotten`."""
    path = login_file()
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        told = f"cannot remove {path}: {error.strerror}"
        raise NotAllowedError("login-not-forgotten", told, todo="Remove that file yourself.") from error
    return True
