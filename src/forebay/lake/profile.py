"""What a profile may say, and what obstore must be told for it. Pure; values are secrets and go nowhere else.

A profile is a flat mapping of strings. What it leaves out, obstore takes from AWS_*, AZURE_* and GOOGLE_* variables.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from forebay.errors import InputError

_S3 = {
    "endpoint": "endpoint",
    "region": "region",
    "access_key_id": "access_key_id",
    "secret_access_key": "secret_access_key",
    "session_token": "session_token",
    "addressing": "virtual_hosted_style_request",
    "anonymous": "skip_signature",
}
_AZURE = {
    "endpoint": "endpoint",
    "account_name": "account_name",
    "account_key": "account_key",
    "sas_token": "sas_key",
    "connection_string": "",
    "anonymous": "skip_signature",
}
_GOOGLE = {"endpoint": "base_url", "service_account": "service_account", "anonymous": "skip_signature"}
_KEYS: dict[str, dict[str, str]] = {
    "s3": _S3,
    "az": _AZURE,
    "abfs": _AZURE,
    "abfss": _AZURE,
    "gs": _GOOGLE,
    "file": {},
    "https": {},
    "http": {},
}
SCHEMES = frozenset(_KEYS)

_CONNECTION = {
    "accountname": "account_name",
    "accountkey": "account_key",
    "blobendpoint": "endpoint",
    "sharedaccesssignature": "sas_token",
}
_TRUTH = {"true": "true", "yes": "true", "1": "true", "false": "false", "no": "false", "0": "false"}
_ADDRESSING = {"path": "false", "virtual": "true"}


def store_options(scheme: str, profile: Mapping[str, str]) -> dict[str, str]:
    """The profile in obstore's words; InputError `bad-profile` naming the key (never the value) that does not fit."""
    known = _KEYS[scheme]
    given = _opened(profile)
    options: dict[str, str] = {}
    for key, value in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            todo = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(known) or 'none'}."
            raise InputError("bad-profile", f"A profile for {scheme}:// has no key {key!r}.", todo=todo)
        options[known[key]] = _value(key, value)
    if options.get("account_key"):
        options["credential_type"] = "access_key"
    elif options.get("sas_key"):
        options["credential_type"] = "sas_token"
    return options


def _opened(profile: Mapping[str, str]) -> dict[str, str]:
    """The profile with its connection string, if any, spelled out."""
    given = dict(profile)
    for field in given.pop("connection_string", "").split(";"):
        name, _, value = field.partition("=")
        if key := _CONNECTION.get(name.strip().lower()):
            given.setdefault(key, value)
    return given


def _value(key: str, value: str) -> str:
    choices = {"anonymous": _TRUTH, "addressing": _ADDRESSING}.get(key)
    if choices is None:
        return value
    if value.lower() not in choices:
        raise InputError("bad-profile", f"The profile's {key!r} must be one of {', '.join(choices)}.")
    return choices[value.lower()]
