"""Thrift's compact protocol, generically: any struct to field numbers and values, and back to the same bytes.

It knows no schema, so what a newer writer added comes through. It never reads past its input, nor deeper than a limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

BOOL, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(1, 14)
Struct: TypeAlias = dict[int, tuple[int, Any]]
"""Field number -> (type, value), in the order of the numbers. A bool's type is BOOL; its value a bool."""

_MAX_DEPTH = 32
_INTEGERS = frozenset((I16, I32, I64))
_WIDTHS = {BYTE: 1, DOUBLE: 8, UUID: 16}


@dataclass(frozen=True, slots=True)
class Items:
    """A list or set: the type of its elements, and them."""

    kind: int
    values: list[Any]


@dataclass(frozen=True, slots=True)
class Pairs:
    """A map."""

    key_kind: int
    value_kind: int
    values: list[tuple[Any, Any]]


def read_struct(data: bytes) -> Struct:
    """The struct that `data` is, to its last byte; ValueError when it is none."""
    reader = _Reader(data)
    struct = reader.struct(0)
    if reader.at != len(data):
        raise ValueError(f"{len(data) - reader.at} bytes are left after the struct")
    return struct


def write_struct(struct: Struct) -> bytes:
    """The bytes of a struct."""
    out = bytearray()
    _put_struct(out, struct)
    return bytes(out)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def struct(self, depth: int) -> Struct:
        if depth > _MAX_DEPTH:
            raise ValueError("structs lie too deep in each other")
        found: Struct = {}
        last = 0
        while head := self._byte():
            kind, delta = head & 15, head >> 4
            last = last + delta if delta else self._integer()
            if kind in (BOOL, FALSE):
                found[last] = (BOOL, kind == BOOL)
            else:
                found[last] = (kind, self._value(kind, depth))
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _INTEGERS:
            return self._integer()
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind == STRUCT:
            return self.struct(depth + 1)
        if kind in (LIST, SET):
            return self._items(depth)
        if kind in _WIDTHS:
            return self._bytes(_WIDTHS[kind])
        if kind in (BOOL, FALSE):  # inside of a list, where it is a byte
            return self._byte()
        if kind == MAP:
            return self._pairs(depth)
        raise ValueError(f"there is no type {kind}")

    def _items(self, depth: int) -> Items:
        head = self._byte()
        size = head >> 4 if head < 0xF0 else self._varint()
        self._refuse_more(size)
        return Items(head & 15, [self._value(head & 15, depth + 1) for _ in range(size)])

    def _pairs(self, depth: int) -> Pairs:
        size = self._varint()
        self._refuse_more(size)
        kinds = self._byte() if size else 0
        key, value = kinds >> 4, kinds & 15
        return Pairs(key, value, [(self._value(key, depth + 1), self._value(value, depth + 1)) for _ in range(size)])

    def _refuse_more(self, size: int) -> None:
        if size > len(self._data) - self.at:
            raise ValueError("a list is longer than the rest of the input")

    def _byte(self) -> int:
        if self.at >= len(self._data):
            raise ValueError("the input ends within a struct")
        self.at += 1
        return self._data[self.at - 1]

    def _bytes(self, size: int) -> bytes:
        if size > len(self._data) - self.at:
            raise ValueError("the input ends within a value")
        self.at += size
        return self._data[self.at - size : self.at]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise ValueError("a number is too long")
        return value | byte << shift

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def _put_struct(out: bytearray, struct: Struct) -> None:
    last = 0
    for number, (kind, value) in sorted(struct.items()):
        written = kind if kind != BOOL else (BOOL if value else FALSE)
        if 0 < number - last < 16:
            out.append((number - last) << 4 | written)
        else:
            out.append(written)
            _put_integer(out, number)
        last = number
        if kind != BOOL:
            _put(out, kind, value)
    out.append(0)


def _put(out: bytearray, kind: int, value: Any) -> None:
    if kind in _INTEGERS:
        _put_integer(out, value)
    elif kind == BINARY:
        _put_varint(out, len(value))
        out += value
    elif kind == STRUCT:
        _put_struct(out, value)
    elif kind in (LIST, SET):
        size = len(value.values)
        out.append(min(size, 15) << 4 | value.kind)
        if size >= 15:
            _put_varint(out, size)
        for item in value.values:
            _put(out, value.kind, item)
    elif kind == MAP:
        _put_varint(out, len(value.values))
        if value.values:
            out.append(value.key_kind << 4 | value.value_kind)
        for key, item in value.values:
            _put(out, value.key_kind, key)
            _put(out, value.value_kind, item)
    elif kind in (BOOL, FALSE):
        out.append(value)
    else:
        out += value


def _put_integer(out: bytearray, value: int) -> None:
    _put_varint(out, value << 1 if value >= 0 else (-value << 1) - 1)


def _put_varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
