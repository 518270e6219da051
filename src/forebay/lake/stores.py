"""Opens a lake: one obstore store for one root URL, with credentials from a profile or from the environment.

Secrets go into obstore and nowhere else: they are in no attribute, no repr and no error of ours.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import obstore.store as obstore_store

from forebay.errors import ForebayError, InputError, NotFoundError
from forebay.lake.faults import OBSTORE_ERRORS
from forebay.lake.profile import store_options

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Credential

# Retries are ours: they are counted, shown, cancelled and resume in mid-object.
_RETRIES: RetryConfig = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """`read_s` bounds every wait for the next byte; a whole transfer has no limit of its own."""

    connect_s: float = 10.0
    read_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeStore:
    """A lake that is open for reading and writing. `handle` is the obstore store that keys are given to."""

    root_url: str
    scheme: str
    handle: ObjectStore = field(repr=False)

    @classmethod
    def open(
        cls,
        root_url: str,
        profile: Mapping[str, str] | None = None,
        *,
        create: bool = False,
        timeouts: Timeouts | None = None,
    ) -> LakeStore:
        """Open the lake at `root_url` (of a `Location`, or a version's `lake_url`); asks it nothing yet.

        `create` makes the folder of a file:// lake. InputError `bad-profile` or `lake-config`, NotFoundError
        `lake-not-found`.
        """
        scheme = root_url.partition("://")[0]
        options = store_options(scheme, profile or {})
        try:
            handle = _handle(scheme, root_url, options, create, _client(scheme, options, timeouts or Timeouts()))
        except OBSTORE_ERRORS as error:
            failure = _not_opened(root_url, str(error))
        else:
            return cls(root_url=root_url.removesuffix("/"), scheme=scheme, handle=handle)
        raise failure

    def subject(self, key: str) -> str:
        """How an object is named to people."""
        return f"{self.root_url}/{key}"


def _handle(scheme: str, root_url: str, options: dict[str, str], create: bool, client: ClientConfig) -> ObjectStore:
    settings: dict[str, Any] = {"client_options": client, "retry_config": _RETRIES}
    if scheme == "file":
        return obstore_store.LocalStore(unquote(root_url.removeprefix("file://")) or "/", mkdir=create)
    if scheme in ("https", "http"):
        return obstore_store.HTTPStore(root_url, **settings)
    if scheme == "gs":
        return obstore_store.GCSStore.from_url(root_url, config=cast(Any, options), **settings)
    if scheme == "s3":
        return _s3(root_url, options, settings)
    return obstore_store.AzureStore.from_url(root_url, config=cast(Any, options), **settings)


def _s3(root_url: str, options: dict[str, str], settings: dict[str, Any]) -> ObjectStore:
    """Keys from a profile come through a provider: the environment's session token must not be mixed with them."""
    key_id, secret = options.pop("access_key_id", None), options.pop("secret_access_key", None)
    token = options.pop("session_token", None)
    if bool(key_id) != bool(secret):
        raise InputError("bad-profile", "A profile needs both access_key_id and secret_access_key, or neither.")
    if key_id and secret:
        credential: S3Credential = {
            "access_key_id": key_id,
            "secret_access_key": secret,
            "token": token,
            "expires_at": None,
        }
        settings["credential_provider"] = lambda: credential
    return obstore_store.S3Store.from_url(root_url, config=cast(Any, options), **settings)


def _client(scheme: str, options: Mapping[str, str], timeouts: Timeouts) -> ClientConfig:
    family = "az" if scheme.startswith("abfs") else scheme
    endpoint = options.get("endpoint") or options.get("base_url") or ""
    for name in _ENDPOINTS.get(family, ()):
        endpoint = endpoint or os.environ.get(name, "")
    return {
        "allow_http": scheme == "http" or endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=timeouts.connect_s),
        "read_timeout": timedelta(seconds=timeouts.read_s),
        "timeout": timedelta(days=7),
        "user_agent": "forebay",
    }


def _not_opened(root_url: str, text: str) -> ForebayError:
    """Our error for what obstore said; its own words may hold parts of a secret."""
    if "UnableToCanonicalize" in text:
        return NotFoundError("lake-not-found", f"{root_url}: there is no such folder.", todo="Check the path.")
    why = "its settings or credentials do not fit together"
    if "MissingAccount" in text:
        why = "the storage account is not named (AZURE_STORAGE_ACCOUNT_NAME, or account_name in the profile)"
    return InputError(
        "lake-config", f"{root_url} can't be opened: {why}.", todo="Check the environment and the profile."
    )
