"""Many processes that read all files of one dataset at once, through one tool, and look at every byte.

Stands alone: it runs in the Python of whatever tool is measured, imports that tool once, and forks the readers, so that
they really begin together. Some of the first ones, of whom one fills, are killed at moments within `WITHIN_S`, and
others begin in their place.

    python crowd.py TOOL ORIGIN FOLDER FILES READERS KILLS WITHIN_S SEED      FILES: JSON, {name: SHA-256 in hex}
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Read = Callable[[str], bytes]

_STAGGER_S = 0.02
_FIRST = 4


def forebay_reader(origin: str, folder: str) -> Callable[[], Read]:
    import forebay

    # What a first use would import, by every reader for itself.
    import forebay.cache.engine
    import forebay.client.session

    def begin() -> Read:
        opened = forebay.open("share", on_progress=lambda progress, holder: None)
        return lambda name: (opened.path / name).read_bytes()

    return begin


def fsspec_reader(protocol: str) -> Callable[[str, str], Callable[[], Read]]:
    def prepare(origin: str, folder: str) -> Callable[[], Read]:
        import fsspec
        import fsspec.implementations.cached
        import fsspec.implementations.http

        def begin() -> Read:
            cached = fsspec.filesystem(protocol, target_protocol="http", cache_storage=folder)

            def read(name: str) -> bytes:
                with cached.open(f"{origin}/lake/{name}", "rb") as file:
                    data: bytes = file.read()
                return data

            return read

        return begin

    return prepare


def huggingface_reader(origin: str, folder: str) -> Callable[[], Read]:
    os.environ["HF_ENDPOINT"] = origin
    from huggingface_hub import hf_hub_download  # type: ignore[import-not-found,unused-ignore]

    def begin() -> Read:
        def read(name: str) -> bytes:
            return Path(hf_hub_download("bench/share", name, repo_type="dataset", cache_dir=folder)).read_bytes()

        return read

    return begin


TOOLS: dict[str, Callable[[str, str], Callable[[], Read]]] = {
    "forebay": forebay_reader,
    "fsspec simplecache": fsspec_reader("simplecache"),
    "fsspec filecache": fsspec_reader("filecache"),
    "huggingface_hub": huggingface_reader,
}


def main(tool: str, origin: str, folder: str, files: str, readers: str, kills: str, within_s: str, seed: str) -> None:
    begin = TOOLS[tool](origin, folder)
    digests: dict[str, str] = json.loads(files)
    chance = random.Random(int(seed))
    began = time.monotonic()
    started: dict[int, int] = {}

    def start(number: int) -> None:
        pid = os.fork()
        if pid:
            started[pid] = number
            return
        time.sleep(number % int(readers) * _STAGGER_S)
        _report(Path(folder) / f"reader-{number}.json", begin, digests)

    for number in range(int(readers)):
        start(number)
    moments = sorted(chance.uniform(0.05, float(within_s)) for _ in range(int(kills)))
    for moment in moments:
        time.sleep(max(0.0, began + moment - time.monotonic()))
        victim = chance.choice(list(started)[:_FIRST])
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        start(int(readers) + started.pop(victim))
    for pid in started:
        os.waitpid(pid, 0)
    reports = [Path(folder) / f"reader-{number}.json" for number in started.values()]
    told: list[dict[str, Any]] = [
        json.loads(path.read_text()) if path.exists() else {"bad": [], "error": "died"} for path in reports
    ]
    result = {
        "seconds": time.monotonic() - began,
        "bad_reads": sum(len(item["bad"]) for item in told),
        "errors": sorted({item["error"] for item in told if item["error"]}),
        "failed_readers": sum(bool(item["error"]) for item in told),
    }
    print(json.dumps(result), flush=True)


def _report(path: Path, begin: Callable[[], Read], digests: dict[str, str]) -> None:
    """Read everything and say what was wrong; never returns."""
    told: dict[str, object] = {"bad": [], "error": ""}
    try:
        read = begin()
        told["bad"] = [name for name, digest in digests.items() if hashlib.sha256(read(name)).hexdigest() != digest]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what this reader got
        told["error"] = f"{type(error).__name__}: {error}"[:200]
    path.write_text(json.dumps(told))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
