"""The process that looks: reads a request as JSON, bounds itself, and writes the preview or the error."""

from __future__ import annotations

import json
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from forebay.errors import CapacityError, ForebayError
from forebay.wire.codec import to_json
from forebay.wire.http import error_to_json, status_of
from forebay.wire.previews import PreviewKind


def main() -> None:
    """One request, one answer."""
    request = json.load(sys.stdin)
    _bound(int(request["seconds"]), int(request["memory_bytes"]))
    try:
        answer = _look(request)
    except MemoryError:
        too_much = f"The file is too costly to look into: it takes more than {request['memory_bytes'] >> 20} MiB."
        answer = _error(CapacityError("preview-too-costly", too_much))
    except ForebayError as error:
        answer = _error(error)
    json.dump(answer, sys.stdout, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _look(request: dict[str, Any]) -> dict[str, Any]:
    # After the bounds: what is imported here is bounded, too.
    import pyarrow as pa

    from forebay.previews.look import look

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    files = {path: Path(file) for path, file in request["files"].items()}
    found: dict[str, Any] = to_json(look(PreviewKind(request["kind"]), files))
    return found


def _error(error: ForebayError) -> dict[str, Any]:
    return {**error_to_json(error), "status": status_of(error)}


def _bound(seconds: int, memory_bytes: int) -> None:
    """Where the system lets it. Nothing that trains here shall wait for a preview."""
    with suppress(OSError):
        os.nice(10)
    for what, most in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        with suppress(OSError, ValueError):
            resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    main()
