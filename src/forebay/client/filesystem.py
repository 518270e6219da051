"""`forebay://criteo@v1/day_0.parquet`: versions as an fsspec file system, for pandas, Dask and whatever speaks fsspec.

Read-only. Listings come from the manifest, so they work before anything is here. An opened file is the plain local
file: no byte is copied through this class. For tools that cannot take a path; for all others there is `forebay.open`.
"""

from __future__ import annotations

import errno
import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from typing import Any, NoReturn, Self

from fsspec.spec import AbstractFileSystem

from forebay.cache.local_file import LocalFile
from forebay.catalog.folders import File, Folder
from forebay.client.library import Library, Shelf
from forebay.client.session import Session, shared_session
from forebay.errors import NotFoundError

# What fsspec itself passes to every file system.
_OF_FSSPEC = {"asynchronous", "loop", "use_listings_cache", "listings_expiry_time", "max_paths"}

Pinned = tuple[tuple[str, str], ...]

_libraries: weakref.WeakValueDictionary[object, Library] = weakref.WeakValueDictionary()
_lock = threading.Lock()


class ForebayFileSystem(AbstractFileSystem):  # type: ignore[misc] # fsspec ships no types
    """Versions as folders: `forebay://criteo@v1`, `forebay://criteo@prod/part/0.parquet`, `forebay://` (all datasets).

    A ref is resolved once; all instances of a process with the same options agree, and so do those that were pickled
    and sent to a worker. `settings` are those of `forebay config show`, by default the ones `forebay.open` uses.
    A version is leased from the first file that is opened until `close`, or until none was open for ten minutes. An
    opened file that is pickled is opened anew where it arrives.
    """

    protocol = "forebay"
    root_marker = ""

    def __init__(self, *, pinned: Iterable[tuple[str, str]] = (), **settings: Any) -> None:
        super().__init__(pinned=pinned, **settings)
        self._given: Pinned = tuple((ref, exact) for ref, exact in pinned)
        self._settings = {name: value for name, value in settings.items() if name not in _OF_FSSPEC}
        self._pid = -1
        self._held: Library | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """With what the refs stand for, so that a worker sees the versions that this process sees."""
        return _remade, (type(self), self.storage_options, tuple(sorted(self._library.pinned.items())))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the leases, and this process's part in fills. Files that are open stay readable."""
        if self._held is not None and self._pid == os.getpid():
            self._held.close()

    def invalidate_cache(self, path: str | None = None) -> None:
        """Look again what tags stand for."""
        self._library.forget()
        super().invalidate_cache(path)

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """What lies directly in a folder; for a file, the file."""
        path = self._strip_protocol(path)
        with _as_os_errors(path):
            found = list(self._children(path))
        return found if detail else [item["name"] for item in found]

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """`name`, `size`, `type` (`file` or `directory`), `version`, and of a file `digest` (None: not learned yet)."""
        path = self._strip_protocol(path)
        if not path:
            return {"name": "", "size": 0, "type": "directory"}
        with _as_os_errors(path):
            ref, inner = _split(path)
            shelf = self._library.shelf(ref)
            return _info(ref, shelf, shelf.find(inner))

    def created(self, path: str) -> datetime:
        """When the version was added."""
        path = self._strip_protocol(path)
        with _as_os_errors(path):
            ref, inner = _split(path)
            shelf = self._library.shelf(ref)
            shelf.find(inner)
            return datetime.fromtimestamp(shelf.version.created_at, UTC)

    def modified(self, path: str) -> datetime:
        """When the version was added: it never changes."""
        return self.created(path)

    def ukey(self, path: str) -> str:
        """The same for the same file of the same version, whoever asks and whenever."""
        path = self._strip_protocol(path)
        with _as_os_errors(path):
            ref, inner = _split(path)
            shelf = self._library.shelf(ref)
            shelf.find(inner)
        return blake2b(f"{shelf.version.manifest_digest}\n{inner}".encode(), digest_size=16).hexdigest()

    def checksum(self, path: str) -> int:
        return int(self.ukey(path), 16)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> LocalFile:
        if mode != "rb":
            _refuse(path)
        with _as_os_errors(path):
            ref, inner = _split(path)
            shelf = self._library.shelf(ref)
            match shelf.find(inner):
                case Folder():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), f"forebay://{path}")
                case File() as file:
                    opened = shelf.open(file)
                    opened.opens_again = partial(self._open, path)
                    return opened

    def mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
        _refuse(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        _refuse(path)

    def rmdir(self, path: str) -> None:
        _refuse(path)

    def rm(self, path: str | list[str], recursive: bool = False, maxdepth: int | None = None) -> None:
        _refuse(path)

    def rm_file(self, path: str) -> None:
        _refuse(path)

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        _refuse(path2)

    def mv(self, path1: str, path2: str, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any) -> None:
        _refuse(path1)

    def put(self, lpath: str | list[str], rpath: str | list[str], *args: Any, **kwargs: Any) -> None:
        _refuse(rpath)

    def put_file(self, lpath: str, rpath: str, *args: Any, **kwargs: Any) -> None:
        _refuse(rpath)

    def touch(self, path: str, truncate: bool = True, **kwargs: Any) -> None:
        _refuse(path)

    def _children(self, path: str) -> Iterator[dict[str, Any]]:
        if not path:
            for dataset in self._library.datasets():
                yield {"name": dataset.name, "size": 0, "type": "directory"}
            return
        ref, inner = _split(path)
        shelf = self._library.shelf(ref)
        found = shelf.find(inner)
        for item in [found] if isinstance(found, File) else shelf.folders.children(inner):
            yield _info(ref, shelf, item)

    @property
    def _library(self) -> Library:
        """That of this process: after a fork, one of its own."""
        if self._held is None or self._pid != os.getpid():
            self._held, self._pid = _shared_library(self._settings, self._given), os.getpid()
        return self._held


def _remade(cls: type[ForebayFileSystem], options: dict[str, Any], pinned: Pinned) -> ForebayFileSystem:
    return cls(**{**options, "pinned": pinned})


def _shared_library(settings: Mapping[str, Any], pinned: Pinned) -> Library:
    """One for all instances of a process with the same options: fsspec makes an instance for every thread."""
    session = None if settings else shared_session()
    key = (os.getpid(), repr(sorted(settings.items())) if settings else id(session), pinned)
    with _lock:
        library = _libraries.get(key)
        if library is None:
            library = _libraries[key] = Library(session or Session.start(settings), dict(pinned))
        return library


def _split(path: str) -> tuple[str, str]:
    """The ref and the path within its version."""
    ref, _, inner = path.partition("/")
    return ref, inner


def _info(ref: str, shelf: Shelf, found: File | Folder) -> dict[str, Any]:
    name = f"{ref}/{found.path}" if found.path else ref
    facts: dict[str, Any] = {"name": name, "version": shelf.version.ref}
    if isinstance(found, Folder):
        return {**facts, "size": 0, "type": "directory"}
    return {**facts, "size": shelf.size_bytes(found), "type": "file", "digest": shelf.digest(found)}


@contextmanager
def _as_os_errors(path: str) -> Iterator[None]:
    """fsspec and what stands on it know what is not there as FileNotFoundError; all else passes as it is."""
    try:
        yield
    except NotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, str(error), f"forebay://{path}") from error


def _refuse(path: object) -> NoReturn:
    why = "a version never changes; make the next one with `forebay dataset commit`"
    raise OSError(errno.EROFS, f"{os.strerror(errno.EROFS)}: {why}", f"forebay://{path}")
