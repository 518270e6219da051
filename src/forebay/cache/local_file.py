"""A file of the volume, opened for reading: Python's own buffered file, plus what users of fsspec ask a file for.

No byte passes through Python code: all reading is that of the class below.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Self

_BUFFER_BYTES = 1 << 17


class LocalFile(BufferedReader):
    """Closes without a warning when it is dropped: what stands on fsspec (pyarrow) does not close what it opened.

    With `opens_again` it can be pickled, as fsspec's own files: whoever gets it opens it anew, at the same position.
    """

    opens_again: Callable[[], LocalFile] | None = None

    @classmethod
    def open(cls, path: Path) -> Self:
        """OSErrors are those of `open`."""
        return cls(FileIO(str(path)), _BUFFER_BYTES)

    @property
    def size(self) -> int:
        """In bytes."""
        return os.fstat(self.fileno()).st_size

    def __reduce__(self) -> tuple[object, ...]:
        if self.opens_again is None:
            raise TypeError("an opened file can't be sent to another process; send its path, and open it there")
        return _opened_at, (self.opens_again, self.tell())

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        # Python's own would say, for every protocol, that files can't be pickled.
        return self.__reduce__()

    def __del__(self) -> None:
        self.close()


def _opened_at(opens: Callable[[], LocalFile], position: int) -> LocalFile:
    file = opens()
    file.seek(position)
    return file
