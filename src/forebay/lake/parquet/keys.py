"""The key-value metadata of a Parquet footer when columns are left out: writers keep a schema of their own there.

Arrow's, pandas' and Spark's are known and filtered. One that can't be read goes: readers then take the file's own.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from forebay.lake.parquet.thrift import BINARY, Struct

_KEY, _VALUE = 1, 2
_ARROW = b"ARROW:schema"
_PANDAS = b"pandas"
_SPARK = b"org.apache.spark.sql.parquet.row.metadata"


def kept_keys(keys: Sequence[Struct], names: Sequence[str], *, whole_rows: bool) -> list[Struct]:
    """The entries for a file with only the columns `names`; `whole_rows` says that no row is left out."""
    found: list[Struct] = []
    for item in keys:
        value = _kept(bytes(item[_KEY][1]), bytes(item.get(_VALUE, (BINARY, b""))[1]), names, whole_rows=whole_rows)
        if value is not None:
            found.append({**item, _VALUE: (BINARY, value)} if _VALUE in item else item)
    return found


def _kept(key: bytes, value: bytes, names: Sequence[str], *, whole_rows: bool) -> bytes | None:
    try:
        if key == _ARROW:
            return _arrow(value, names, whole_rows=whole_rows)
        if key == _PANDAS:
            return _pandas(value, names, whole_rows=whole_rows)
        return _spark(value, names) if key == _SPARK else value
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, pa.ArrowException):
        return None


def _arrow(value: bytes, names: Sequence[str], *, whole_rows: bool) -> bytes:
    schema = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(value)))
    fields = [schema.field(index) for index in range(len(schema)) if schema.names[index] in names]
    if [field.name for field in fields] != list(names):
        raise ValueError("it is not this file's schema")
    metadata = dict(schema.metadata or {})
    if _PANDAS in metadata:
        metadata[_PANDAS] = _pandas(metadata[_PANDAS], names, whole_rows=whole_rows)
    return base64.b64encode(pa.schema(fields, metadata or None).serialize().to_pybytes())


def _pandas(value: bytes, names: Sequence[str], *, whole_rows: bool) -> bytes:
    told: dict[str, Any] = json.loads(value)

    def stays(index: Any) -> bool:
        # A range of row numbers is true only of all rows; an index in a column, while that is there.
        return index in names if isinstance(index, str) else whole_rows

    told["columns"] = [column for column in told["columns"] if column.get("field_name", column["name"]) in names]
    told["index_columns"] = [index for index in told["index_columns"] if stays(index)]
    return json.dumps(told).encode()


def _spark(value: bytes, names: Sequence[str]) -> bytes:
    told: dict[str, Any] = json.loads(value)
    told["fields"] = [field for field in told["fields"] if field["name"] in names]
    return json.dumps(told).encode()
