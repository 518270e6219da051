"""A file of the volume, opened for reading: Python's own buffered file, plus what users of fsspec ask a file for.

No byte passes through Python code: all reading is that of the class below.
"""

from __future__ import annotations

import os
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Self

_BUFFER_BYTES = 1 << 17


class LocalFile(BufferedReader):
    """Closes without a warning when it is dropped: what stands on fsspec (pyarrow) does not close what it opened."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """OSErrors are those of `open`."""
        return cls(FileIO(str(path)), _BUFFER_BYTES)

    @property
    def size(self) -> int:
        """In bytes."""
        return os.fstat(self.fileno()).st_size

    def __del__(self) -> None:
        self.close()
