"""Opens a lake: one obstore store for one root URL, with credentials from a profile or from the environment.

Secrets go into obstore and nowhere else: they are in no attribute, no repr and no error of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.store import HTTPStore, LocalStore, S3Store

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

_NO_RETRIES: RetryConfig = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeStore:
    """A lake that is open for reading and writing. `handle` is the obstore store that keys are given to."""

    root_url: str
    scheme: str
    handle: ObjectStore = field(repr=False)

    @classmethod
    def open(cls, root_url: str, profile: Mapping[str, str] | None = None) -> LakeStore:
        """Open the lake at `root_url`; InputError `lake-config` when that can't be done."""
        client: ClientConfig = {"connect_timeout": "10s", "read_timeout": "60s", "timeout": "7days"}
        scheme, _, rest = root_url.partition("://")
        given = dict(profile or {})
        if scheme == "s3":
            if given.get("endpoint", "").startswith("http://"):
                client["allow_http"] = True
            handle: ObjectStore = S3Store(
                rest,
                config=given,  # type: ignore[arg-type]
                client_options=client,
                retry_config=_NO_RETRIES,
            )
        elif scheme == "file":
            handle = LocalStore(rest)
        else:
            client["allow_http"] = scheme == "http"
            handle = HTTPStore(root_url, client_options=client, retry_config=_NO_RETRIES)
        return cls(root_url=root_url.rstrip("/"), scheme=scheme, handle=handle)

    def subject(self, key: str) -> str:
        """How an object is named to people."""
        return f"{self.root_url}/{key}"
