"""Opens a lake: one obstore store for one root URL, with credentials from a profile or from the environment.

Secrets go into obstore and nowhere else: they are in no attribute, no repr and no error of ours.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import obstore.store as obstore_store

from forebay.errors import ForebayError, InputError, NotFoundError
from forebay.lake.faults import OBSTORE_ERRORS
from forebay.lake.location import lake_place
from forebay.lake.profile import SCHEMES, store_options

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How a lake is spoken to. `read_s` bounds every wait for the next byte; a whole transfer has no limit.

    `retries` with delays from `first_delay_s` on are for single requests (head, list, put); streams have `Patience`.
    """

    connect_s: float = 10.0
    read_s: float = 60.0
    retries: int = 5
    first_delay_s: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeStore:
    """A lake that is open for reading and writing.

    Two obstore stores on the same place: `streams` never retries (we do: counted, cancelled, resuming in mid-object),
    `requests` does.
    """

    root_url: str
    scheme: str
    streams: ObjectStore = field(repr=False)
    requests: ObjectStore = field(repr=False)
    endpoint: str = ""

    @classmethod
    def open(
        cls,
        root_url: str,
        profile: Mapping[str, str] | None = None,
        *,
        create: bool = False,
        manners: Manners | None = None,
    ) -> LakeStore:
        """Open the lake at `root_url` (of a `Location`, or a version's `lake_url`); asks it nothing yet.

        `create` makes the folder of a file:// lake. InputError `bad-profile` or `lake-config`, NotFoundError
        `lake-not-found`.
        """
        scheme = root_url.partition("://")[0]
        if scheme not in SCHEMES:
            raise InputError("unknown-scheme", f"{root_url!r}: the scheme {scheme!r} is not a lake's.")
        manners = manners or Manners()
        options = store_options(scheme, profile or {})
        client = _client(scheme, options, manners)
        if scheme == "s3":
            client = client | _s3_credentials(options)
        try:
            streams, requests = (
                _obstore(scheme, root_url, options, create, client | {"retry_config": retries})
                for retries in (_retries(0, manners), _retries(manners.retries, manners))
            )
        except OBSTORE_ERRORS as error:
            failure = _not_opened(root_url, str(error))
        else:
            return cls(
                root_url=root_url.removesuffix("/"),
                scheme=scheme,
                streams=streams,
                requests=requests,
                endpoint=_endpoint(scheme, options),
            )
        raise failure

    @property
    def place(self) -> str:
        """What links call it."""
        return lake_place(self.root_url, self.endpoint)

    @property
    def folder(self) -> Path | None:
        """Where a file:// lake is on this machine; None for any other."""
        return _folder(self.root_url) if self.scheme == "file" else None

    def subject(self, key: str) -> str:
        """How an object is named to people."""
        return f"{self.root_url}/{key}"


def _obstore(scheme: str, root_url: str, options: dict[str, str], create: bool, client: dict[str, Any]) -> ObjectStore:
    if scheme == "file":
        return obstore_store.LocalStore(_folder(root_url), mkdir=create)
    if scheme in ("https", "http"):
        return obstore_store.HTTPStore(root_url, **client)
    if scheme == "gs":
        return obstore_store.GCSStore.from_url(root_url, config=cast(Any, options), **client)
    if scheme == "s3":
        return obstore_store.S3Store.from_url(root_url, config=cast(Any, options), **client)
    return obstore_store.AzureStore.from_url(root_url, config=cast(Any, options), **client)


def _folder(root_url: str) -> Path:
    return Path(unquote(root_url.removeprefix("file://")) or "/")


def _s3_credentials(options: dict[str, str]) -> dict[str, Any]:
    """Keys from a profile come through a provider: the environment's session token must not be mixed with them."""
    key_id, secret = options.pop("access_key_id", ""), options.pop("secret_access_key", "")
    token = options.pop("session_token", "") or None
    if bool(key_id) != bool(secret):
        raise InputError("bad-profile", "A profile needs both access_key_id and secret_access_key, or neither.")
    if not key_id:
        return {}
    credential = {"access_key_id": key_id, "secret_access_key": secret, "token": token, "expires_at": None}
    return {"credential_provider": lambda: credential}


def _client(scheme: str, options: Mapping[str, str], manners: Manners) -> dict[str, Any]:
    if scheme == "file":
        return {}
    endpoint = _endpoint(scheme, options)
    config: ClientConfig = {
        "allow_http": scheme == "http" or endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=manners.connect_s),
        "read_timeout": timedelta(seconds=manners.read_s),
        "timeout": timedelta(days=7),
        "user_agent": "forebay",
    }
    return {"client_options": config}


def _endpoint(scheme: str, options: Mapping[str, str]) -> str:
    endpoint = options.get("endpoint") or options.get("base_url") or ""
    for name in _ENDPOINTS.get("az" if scheme.startswith("abfs") else scheme, ()):
        endpoint = endpoint or os.environ.get(name, "")
    return endpoint


def _retries(times: int, manners: Manners) -> RetryConfig:
    first = timedelta(seconds=manners.first_delay_s)
    return {
        "max_retries": times,
        "retry_timeout": timedelta(minutes=3),
        "backoff": {"init_backoff": first, "max_backoff": first * 2**times, "base": 2},
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
