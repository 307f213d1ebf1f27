"""A file system that can lose power: a real folder shows what programs see, the model knows what a disk would keep.

Contents are kept once their file was fsync'd, names once their folder was. What was not may be there after a loss of
power or not, each change on its own: a file empty, torn, zeroed or whole, a rename done or undone, later ones before
earlier ones. An fsync that fails says nothing about its file for ever, and a later one of the same file succeeds
without writing anything, as on Linux.
"""

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import compress, product
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

Kind = Literal["kill", "power", "ENOSPC", "full", "EIO"]
ERRORS = {"ENOSPC": errno.ENOSPC, "full": errno.ENOSPC, "EIO": errno.EIO}
Contents = Literal["lost", "torn", "zeroed", "whole"]


class Killed(BaseException):
    """The process is gone: nothing in it handles this."""


@dataclass(frozen=True)
class Fault:
    """What happens instead of an operation, by its number; `full` also to all later ones that need space."""

    at: int
    kind: Kind


@dataclass(eq=False)
class File:
    content: bytes = b""
    kept: bytes | None = None
    failed: bool = False  # an fsync of it


@dataclass(eq=False)
class Folder:
    names: "dict[str, File | Folder]" = field(default_factory=dict)
    kept: "dict[str, File | Folder]" = field(default_factory=dict)


@dataclass(eq=False)
class Change:
    """Names set or removed at once, kept when `folder` is fsync'd."""

    folder: Folder
    names: list[tuple[Folder, str, "File | Folder | None"]]


class Disk:
    """The folder `root`, whose operations go through the model while it is mounted."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.top = Folder()
        self.pending: list[Change] = []
        self.operations: list[str] = []  # of this mount
        self.fault: Fault | None = None
        self.dead = False
        self.before_each: Callable[[], None] = lambda: None

    @contextmanager
    def mounted(self, fault: Fault | None = None) -> Iterator[None]:
        """Operations below `root` happen here and on the model, until the fault; a killed process ends the block."""
        self.fault, self.dead, self.operations = fault, False, []
        replaced = [(os, "mkdir"), (os, "rmdir"), (os, "replace"), (os, "unlink"), (os, "fsync"), (io, "open")]
        with ExitStack() as stack:
            for module, name in replaced:
                ours = getattr(self, f"_{name}")
                stack.enter_context(patch.object(module, name, self._routed(getattr(module, name), ours)))
            with suppress(Killed):
                yield

    def restore(self) -> None:
        """Let the folder show what programs of this state see."""
        for path in self.root.iterdir():
            shutil.rmtree(path)
        waiting = [(self.root, self.top)]
        while waiting:
            where, folder = waiting.pop()
            for name, node in folder.names.items():
                if isinstance(node, File):
                    (where / name).write_bytes(node.content)
                else:
                    (where / name).mkdir()
                    waiting.append((where / name, node))

    def load(self) -> None:
        """Hold what lies in the folder, all of it durable."""
        self.top = _loaded(self.root)

    def after_power_loss(self) -> Iterator["Disk"]:
        """Each disk that may come up again, all it has kept; the folder shows one that is restored."""
        seen = set()
        for kept, contents in product(self._subsets(), ("lost", "torn", "zeroed", "whole")):
            changed = {
                (id(folder), name): node
                for change in compress(self.pending, kept)
                for folder, name, node in change.names
            }
            top = _rebooted(self.top, changed, contents)
            if (state := _described(top)) not in seen:
                seen.add(state)
                disk = Disk(self.root)
                disk.top = top
                yield disk

    def part(self, path: Path) -> object:
        """What lies at a path, to be compared."""
        try:
            node = self._at(path)
        except KeyError:
            return None
        return _described(node) if isinstance(node, Folder) else hash(node.content)

    def _subsets(self) -> list[tuple[bool, ...]]:
        """Which of the changes that wait for an fsync are kept: all subsets of a few, of many the extreme ones."""
        n = len(self.pending)
        if n <= 4:
            return list(product((False, True), repeat=n))
        one = [tuple(index == which for index in range(n)) for which in range(n)]
        return [(False,) * n, (True,) * n, *one, *(tuple(not kept for kept in subset) for subset in one)]

    def _routed(self, real: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            where = Path(f"/proc/self/fd/{path}").readlink() if isinstance(path, int) else Path(path)
            if self.root not in (where, *where.parents):
                return None if ours == self._fsync else real(path, *arguments, **options)  # nothing above is lost
            return ours(lambda: real(path, *arguments, **options), where, *arguments)

        return call

    def _happens(self, what: str, path: Path, needs_space: bool = False) -> bool:
        """Count an operation; raise its fault, or tell that it comes in the middle of it."""
        if self.dead:
            raise Killed
        self.before_each()
        self.operations.append(f"{what} {path.name}")
        fault, number = self.fault, len(self.operations)
        if fault is None or number < fault.at or (number > fault.at and not (fault.kind == "full" and needs_space)):
            return False
        if fault.kind == "full" and not needs_space:
            return False
        if what != "write":
            self.stop()
        return True

    def stop(self) -> None:
        """The fault takes place."""
        assert self.fault is not None
        if self.fault.kind in ERRORS:
            raise OSError(ERRORS[self.fault.kind], os.strerror(ERRORS[self.fault.kind]))
        self.dead = True
        raise Killed

    def _at(self, path: Path) -> Any:
        node: Any = self.top
        for name in path.relative_to(self.root).parts:
            node = node.names[name]
        return node

    def _set(self, by: Path, *names: tuple[Path, "File | Folder | None"]) -> None:
        change = Change(self._at(by), [(self._at(path.parent), path.name, node) for path, node in names])
        for folder, name, node in change.names:
            _put(folder.names, name, node)
        self.pending.append(change)

    def _mkdir(self, real: Callable[[], None], path: Path, *_: Any) -> None:
        if not path.exists() and path.parent.exists():
            self._happens("mkdir", path, needs_space=True)
            self._set(path.parent, (path, Folder()))
        real()

    def _rmdir(self, real: Callable[[], None], path: Path) -> None:
        self._happens("rmdir", path)
        real()
        self._set(path.parent, (path, None))

    def _unlink(self, real: Callable[[], None], path: Path) -> None:
        if path.exists():
            self._happens("unlink", path)
            self._set(path.parent, (path, None))
        real()

    def _replace(self, real: Callable[[], None], path: Path, target: Path) -> None:
        self._happens("rename", target)
        real()
        self._set(Path(target).parent, (path, None), (Path(target), self._at(path)))

    def _fsync(self, real: Callable[[], None], path: Path) -> None:
        node = self._at(path)
        try:
            self._happens("fsync", path)
        except OSError:
            if isinstance(node, File):
                node.failed = True
            raise
        if isinstance(node, File):
            node.kept = node.kept if node.failed else node.content
        else:
            for change in [change for change in self.pending if change.folder is node]:
                _apply(change)
                self._forget_before(change)

    def _forget_before(self, kept: Change) -> None:
        """This change is kept, and with it the end of what earlier ones did to the same names."""
        names = {(id(folder), name) for folder, name, _ in kept.names}
        place = self.pending.index(kept)
        for change in self.pending[:place]:
            change.names = [entry for entry in change.names if (id(entry[0]), entry[1]) not in names]
        self.pending = [change for change in self.pending if change.names and change is not kept]

    def _open(self, real: Callable[[], Any], path: Path, mode: str = "r", *_: Any) -> Any:
        if not {*mode} & {"w", "x"}:
            return real()
        self._happens("open", path, needs_space=True)
        stream = real()
        node = self._at(path.parent).names.get(path.name)
        if isinstance(node, File):
            node.content, node.kept = b"", None  # opened anew: what was kept may be gone at any moment
        else:
            self._set(path.parent, (path, node := File()))
        return _Stream(self, stream, path, node)


class _Stream:
    """A file open for writing; a fault in the middle of a write leaves half of it."""

    def __init__(self, disk: Disk, stream: Any, path: Path, node: File) -> None:
        self._disk, self._stream, self._path, self._node = disk, stream, path, node

    def __enter__(self) -> "_Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def write(self, content: bytes) -> None:
        fails = self._disk._happens("write", self._path, needs_space=True)
        written = content[: len(content) // 2] if fails else content
        self._stream.write(written)
        self._stream.flush()
        self._node.content += written
        if fails:
            self._disk.stop()

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return int(self._stream.fileno())


def _loaded(path: Path) -> Folder:
    nodes = {
        entry.name: _loaded(entry) if entry.is_dir() else File(entry.read_bytes(), entry.read_bytes())
        for entry in path.iterdir()
    }
    return Folder(nodes, dict(nodes))


def _put(names: dict[str, Any], name: str, node: Any) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


def _apply(change: Change) -> None:
    for folder, name, node in change.names:
        _put(folder.kept, name, node)


def _rebooted(folder: Folder, changed: dict[tuple[int, str], Any], contents: Contents) -> Folder:
    kept = folder.kept | {name: node for (where, name), node in changed.items() if where == id(folder)}
    nodes = {
        name: _rebooted(node, changed, contents) if isinstance(node, Folder) else _found(node, contents)
        for name, node in kept.items()
        if node is not None
    }
    return Folder(nodes, dict(nodes))


def _found(node: File, contents: Contents) -> File:
    if node.kept is not None and node.kept == node.content:
        return File(node.kept, node.kept)
    size = len(node.content)
    found = {
        "lost": b"",
        "torn": node.content[: size // 2],
        "zeroed": b"\0" * size,
        "whole": node.content,
    }[contents]
    return File(found, found)


def _described(folder: Folder) -> tuple[Any, ...]:
    return tuple(
        (name, _described(node) if isinstance(node, Folder) else hash(node.content))
        for name, node in sorted(folder.names.items())
    )
