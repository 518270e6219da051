"""Files that come as a request's body: streamed to a temporary file, kept by the hub, and gone again."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from forebay.errors import DamagedError
from forebay.wire.http import DamagedUploadError

_BUFFER_BYTES = 1 << 20
Told = TypeVar("Told")


async def received(request: Request, keep: Callable[[Path], Told], *, name: str) -> Told:
    """What `keep` makes of the request's body as a file of that name."""
    async with _file_of(request, name) as file:
        try:
            return await run_in_threadpool(keep, file)
        except DamagedError as error:
            raise DamagedUploadError(error.kind, error.message, todo="Send a whole one.") from error


@asynccontextmanager
async def _file_of(request: Request, name: str) -> AsyncIterator[Path]:
    """The request's body as a file, written a MiB at a time by another thread."""
    folder = await run_in_threadpool(tempfile.TemporaryDirectory, prefix="forebay-upload-")
    try:
        path = Path(folder.name) / name
        with path.open("wb") as file:
            waiting = bytearray()
            async for chunk in request.stream():
                waiting += chunk
                if len(waiting) >= _BUFFER_BYTES:
                    await run_in_threadpool(file.write, bytes(waiting))
                    waiting.clear()
            await run_in_threadpool(file.write, bytes(waiting))
        yield path
    finally:
        await run_in_threadpool(folder.cleanup)
