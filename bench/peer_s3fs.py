"""s3fs fetches a folder of a bucket, in its own environment: peer_s3fs.py ENDPOINT SOURCE TARGET."""

from __future__ import annotations

import sys

from s3fs import S3FileSystem  # type: ignore[import-not-found]


def main(endpoint: str, source: str, target: str) -> None:
    S3FileSystem(endpoint_url=endpoint).get(source, target, recursive=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
