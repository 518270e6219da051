"""Every state that a power cut may leave of a recorded action, by the rules of a journalling file system.

What was synced is there, with all that it rests on (no name without the folder it is in). Of the rest, any name may
be missing, and a file's bytes may be missing, zeros or torn; a rename happens whole or not at all. A sync of the file
system covers all before it, one of a directory its names, one of a file its bytes. The hub's database is as it was
last or, where its machine lost power too, as it was before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebay.testing.crash.image import Image, Inode
from forebay.testing.crash.recording import Done, Recorded, Trace


@dataclass(frozen=True, slots=True)
class Named:
    """An inode gets a name; with `source` it loses that (directory, name) in the same step."""

    directory: int
    name: str
    inode: int
    source: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A name goes."""

    directory: int
    name: str


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes come to a file; `offset` -1 empties it."""

    inode: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ModeSet:
    """A file or directory gets other permissions."""

    inode: int
    mode: int


@dataclass(frozen=True, slots=True)
class Synced:
    """`inode` -1: the whole file system."""

    inode: int


Step = Named | Unnamed | Written | ModeSet | Synced | Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One of them: the folder, the database, how it came about, and whether the records are older than the folder."""

    label: str
    image: Image
    database: bytes
    records_lost: bool


Spoil = Callable[[bytes], bytes]

_SPOILS: Mapping[str, Spoil] = {
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "torn": lambda data: data[: len(data) // 2],
    "half zeros": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
}


def crash_states(trace: Trace, before: Image, database: bytes, folder: Path) -> Iterator[State]:
    """All of them, each once; `before` and `database` are what the action began with, in `folder`."""
    steps, blank = compiled(trace, before, folder)
    enumerated = _Enumeration(steps, blank, database)
    seen: set[tuple[int, int]] = set()
    for state in enumerated.run():
        key = state.image.fingerprint(), hash(state.database)
        if key not in seen:
            seen.add(key)
            yield state


def compiled(trace: Trace, before: Image, folder: Path) -> tuple[list[Step], Image]:
    """The trace as steps on inodes, and `before` with all inodes that ever come, which have no name yet."""
    made = _Compiler(before, folder)
    for event in trace.events:
        made.take(event)
    return made.steps, made.blank


class _Compiler:
    """Follows the paths of a trace through an image that every step is applied to."""

    def __init__(self, before: Image, folder: Path) -> None:
        self.steps: list[Step] = []
        self.blank = before.copy()
        self._now = before.copy()
        self._folder = folder
        self._files: dict[int, int] = {}

    def take(self, event: Done | Recorded) -> None:
        if isinstance(event, Recorded):
            self._step(event)
        elif not any(path is not None and not path.is_relative_to(self._folder) for path in (event.path, event.target)):
            self._take(event)

    def _take(self, event: Done) -> None:
        match event.effect:
            case "create" | "create_over" | "append":
                self._opened(event)
            case "write":
                file = self._files[event.file]
                end = len(self._now.inodes[file].data)
                self._step(Written(file, end if event.offset < 0 else event.offset, event.data))
            case "make_directory":
                self._step(Named(*self._place(event.path), self._new(Inode(0o755, names={}))))
            case "rename":
                source = self._place(event.path)
                inode = self._now.entries(source[0])[source[1]]
                self._step(Named(*self._place(event.target), inode, source))
            case "link":
                self._step(Named(*self._place(event.target), self._find(event.path)))
            case "copy":
                copy = self._new(Inode(0o444))
                self._step(Named(*self._place(event.target), copy))
                self._step(Written(copy, 0, event.data))
            case "remove":
                self._step(Unnamed(*self._place(event.path)))
            case "set_mode":
                self._step(ModeSet(self._find(event.path), event.mode))
            case "sync":
                self._step(Synced(self._files[event.file]))
            case "sync_directory":
                self._step(Synced(self._find(event.path)))
            case "sync_file_system":
                self._step(Synced(-1))
            case other:
                raise ValueError(f"nobody told the model what {other} does")

    def _opened(self, event: Done) -> None:
        directory, name = self._place(event.path)
        there = self._now.entries(directory).get(name)
        if there is None:
            there = self._new(Inode(0o444 if event.effect == "create" else 0o644))
            self._step(Named(directory, name, there))
        elif event.effect == "create_over":
            self._step(Written(there, -1, b""))
        self._files[event.file] = there

    def _step(self, step: Step) -> None:
        self.steps.append(step)
        apply(self._now, step)

    def _new(self, inode: Inode) -> int:
        number = self.blank.add(inode)
        self._now.add(Inode(inode.mode, names=None if inode.names is None else {}))
        return number

    def _find(self, path: Path | None) -> int:
        assert path is not None
        return self._now.find(path.relative_to(self._folder).as_posix().removeprefix("."))

    def _place(self, path: Path | None) -> tuple[int, str]:
        assert path is not None
        return self._find(path.parent), path.name


def apply(image: Image, step: Step) -> None:
    """Carry one step out. A step may find that an earlier one was lost: what it does not find, it leaves."""
    match step:
        case Named(directory, name, inode, source):
            if source is not None:
                image.entries(source[0]).pop(source[1], None)
            image.entries(directory)[name] = inode
        case Unnamed(directory, name):
            image.entries(directory).pop(name, None)
        case Written(inode, offset, data):
            held = image.inodes[inode].data
            image.inodes[inode].data = b"" if offset < 0 else _spliced(held, offset, data)
        case ModeSet(inode, mode):
            image.inodes[inode].mode = mode


def _spliced(held: bytes, offset: int, data: bytes) -> bytes:
    return held[:offset].ljust(offset, b"\0") + data + held[offset + len(data) :]


class _Enumeration:
    def __init__(self, steps: Sequence[Step], blank: Image, database: bytes) -> None:
        self._steps = steps
        self._blank = blank
        self._database = database
        self._rests_on = _rests_on(steps)

    def run(self) -> Iterator[State]:
        for count in range(len(self._steps) + 1):
            yield from self._after(count)

    def _after(self, count: int) -> Iterator[State]:
        """The states when power goes after so many steps."""
        pending = self._pending(count)
        names = {at for at in pending if isinstance(self._steps[at], Named | Unnamed | ModeSet)}
        files = sorted({step.inode for at in pending if isinstance(step := self._steps[at], Written)})
        yield self._state(count, "killed")
        yield self._state(count, "records lost", records_lost=True)
        for lost in (False, True):
            yield self._state(count, "all unsynced lost", dropped=pending, records_lost=lost)
        yield self._state(count, "names lost", dropped=names)
        for how in ("empty", "zeros"):
            yield self._state(count, f"bytes {how}", spoiled=dict.fromkeys(files, how))
        if count < len(self._steps) and not isinstance(self._steps[count], Synced | Recorded):
            # What is pending here is pending at the next sync too, with more beside it.
            return
        for at in sorted(names):
            if not isinstance(self._steps[at], ModeSet):
                yield self._state(count, f"without step {at} {self._steps[at]}", dropped={at})
        for file in files:
            for how in ("torn", "half zeros"):
                yield self._state(count, f"file {file} {how}", spoiled={file: how})

    def _pending(self, count: int) -> set[int]:
        """The steps before `count` that no sync covers yet."""
        pending: set[int] = set()
        for at, step in enumerate(self._steps[:count]):
            if isinstance(step, Synced):
                pending -= self._with_base({earlier for earlier in pending if _covers(step, self._steps[earlier])})
            elif not isinstance(step, Recorded):
                pending.add(at)
        return pending

    def _with_base(self, steps: set[int]) -> set[int]:
        """These steps with all that they rest on."""
        found: set[int] = set()
        open_steps = list(steps)
        while open_steps:
            at = open_steps.pop()
            found.add(at)
            open_steps += self._rests_on[at] - found
        return found

    def _with_burden(self, dropped: set[int], count: int) -> set[int]:
        """These lost steps with all before `count` that rest on one of them."""
        found = set(dropped)
        for at in range(count):
            if self._rests_on[at] & found:
                found.add(at)
        return found

    def _state(
        self,
        count: int,
        label: str,
        *,
        dropped: set[int] | None = None,
        spoiled: Mapping[int, str] | None = None,
        records_lost: bool = False,
    ) -> State:
        image, database = self._blank.copy(), self._database
        spoiled = spoiled or {}
        dropped = self._with_burden(dropped or set(), count)
        solid = self._solid(count, spoiled)
        for at, step in enumerate(self._steps[:count]):
            if isinstance(step, Recorded):
                database = database if records_lost else step.database
            elif at not in dropped:
                apply(image, step)
        for file, how in spoiled.items():
            inode = image.inodes[file]
            kept = solid.get(file, 0)
            inode.data = inode.data[:kept] + _SPOILS[how](inode.data[kept:])
        last = self._steps[count - 1] if count else None
        told = f"after {count} of {len(self._steps)} steps ({_short(last)}): {label}"
        return State(label=told, image=image, database=database, records_lost=records_lost)

    def _solid(self, count: int, files: Mapping[int, str]) -> dict[int, int]:
        """How many leading bytes of each file a sync has made durable (appended files keep what was synced)."""
        solid: dict[int, int] = {}
        length = {file: len(self._blank.inodes[file].data) for file in files}
        solid.update(length)
        for step in self._steps[:count]:
            if isinstance(step, Written) and step.inode in length:
                length[step.inode] = 0 if step.offset < 0 else max(length[step.inode], step.offset + len(step.data))
                solid[step.inode] = min(solid[step.inode], length[step.inode])
            elif isinstance(step, Synced):
                solid |= {file: size for file, size in length.items() if step.inode in (-1, file)}
        return solid


def _rests_on(steps: Sequence[Step]) -> list[set[int]]:
    """For every step, the earlier ones without which it can't be: they made its folder, its file, the name it moves."""
    made: dict[int, int] = {}
    named: dict[tuple[int, str], int] = {}
    bases: list[set[int]] = []
    for at, step in enumerate(steps):
        base: set[int | None] = set()
        if isinstance(step, Named):
            base = {made.get(step.directory), made.get(step.inode)}
            base.add(named.get(step.source) if step.source else None)
            made.setdefault(step.inode, at)
            named[step.directory, step.name] = at
        elif isinstance(step, Unnamed):
            base = {made.get(step.directory), named.get((step.directory, step.name))}
        bases.append({index for index in base if index is not None})
    return bases


def _covers(sync: Synced, step: Step) -> bool:
    match step:
        case Named(directory, _, _, source):
            return sync.inode in (-1, directory) or (source is not None and sync.inode == source[0])
        case Unnamed(directory, _):
            return sync.inode in (-1, directory)
        case Written(inode, _, _) | ModeSet(inode, _):
            return sync.inode in (-1, inode)
    return True


def _short(step: Step | None) -> str:
    if isinstance(step, Recorded):
        return f"hub: {step.call}"
    if isinstance(step, Written):
        return f"Written({step.inode}, {step.offset}, {len(step.data)} bytes)"
    return str(step)
