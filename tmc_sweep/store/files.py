"""Every file-system operation of the store: what is durable, and what a reader may see, is decided here alone.

A file changes in four steps: write a temporary file, fsync it, rename it over the old one, fsync the folder. A crash at
any point leaves the old file or the new one, whole. A temporary file is never used again after a failure: after a
failed fsync nothing says which of its pages reached the disk.

Only regular files that fit into memory are read, and never through a link: whoever can write a results folder, or a
copy of one, must not make a reader wait for a pipe, fill its memory, or lead it out of the folder.

Whatever the system refuses is raised as a StorageError that names the file and a fix.
"""

import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pyarrow as pa

from tmc_sweep.errors import StorageError
from tmc_sweep.paths import SweepPaths

_FIXES = {
    errno.ENOSPC: "free some space on its disk",
    errno.EDQUOT: "free some of your quota on its disk",
    errno.EROFS: "make it writable, or choose another results folder",
    errno.EACCES: "make it writable, or choose another results folder",
    errno.EPERM: "make it writable, or choose another results folder",
    errno.ENOENT: "put its folder back if it was deleted or moved, and run again",
    errno.ELOOP: "remove the symbolic link",
    errno.ENOTDIR: "move the file away that is where a folder should be",
    errno.EEXIST: "move the file away that is where a folder should be",
    errno.EINVAL: "move it away",
    errno.EFBIG: "move it away, or read it on a machine with more memory",
}
MOST_BYTES = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2  # that are read at once: half of the memory


@contextmanager
def explained(done: str, path: Path) -> Iterator[None]:
    """An OSError inside is raised as a StorageError, with the OSError as its cause.

    Its sentence is "`path` cannot be `done` (why): fix", such as "cannot be written (No space left on device): …".
    """
    try:
        yield
    except OSError as error:
        fix = _FIXES.get(error.errno or 0, "check its disk and run again")
        raise StorageError(f"{path} cannot be {done} ({error.strerror or error}): {fix}") from error


def prepare(paths: SweepPaths) -> None:
    """Make the folders that a writer of the sweep needs, durably.

    Folders that exist are made durable too: a run may have made them just before the machine went down.
    """
    with explained("made", paths.results):
        paths.results.mkdir(parents=True, exist_ok=True)
        for folder in paths.results.parents:
            with suppress(PermissionError):  # a folder that we may not open is none that we made
                _sync_folder(folder)
            if folder.is_mount():
                break
    for folder in (paths.results, paths.private.parent, paths.private, paths.temporary):
        make_folder(folder)


def make_folder(folder: Path) -> None:
    """Make `folder`, durably, unless it exists; its parent must exist. StorageError if it is a link."""
    with explained("made", folder):
        if folder.is_symlink():
            raise OSError(errno.ELOOP, "it is a symbolic link")
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def write(path: Path, content: bytes, temporary: Path) -> None:
    """Let the file `path` hold `content`, durably once this returns; `temporary` is a folder of the same file system.

    After a StorageError it is the old file or the new one, whole.
    """
    aside = temporary / f"{path.name}.{secrets.token_hex(4)}"
    with explained("written", path), _removed_on_failure(aside):
        _write_synced(aside, content)
        aside.replace(path)
        _sync_folder(path.parent)


def write_beside(path: Path, content: bytes) -> None:
    """`write` with the temporary file in the same folder: for figures and pages, which may lie anywhere.

    Temporary files of this name that killed writers left there are removed. The folder is locked meanwhile, so that
    none of a living writer is among them; where it cannot be locked, as on NFS, they stay.
    """
    left = re.compile(re.escape(path.name) + r"\.[0-9a-f]{8}")
    with explained("written", path), _opened_folder(path.parent) as folder:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
            for other in path.parent.iterdir():
                if left.fullmatch(other.name):
                    other.unlink()
        write(path, content, path.parent)


def write_folder(folder: Path, contents: Iterable[tuple[str, bytes]], temporary: Path) -> None:
    """Make `folder`, durably, with these files (name, content) in it at the moment it appears; it must not exist."""
    aside = temporary / f"{folder.name}.{secrets.token_hex(4)}"
    with explained("made", folder):
        aside.mkdir()
        for name, content in contents:
            _write_synced(aside / name, content)
        _sync_folder(aside)
        aside.replace(folder)
        _sync_folder(folder.parent)


def sync(folder: Path) -> None:
    """Make durable what the folder lists: a run that was killed may have renamed a file and not come to the fsync."""
    with explained("fsync'd", folder):
        _sync_folder(folder)


def names(folder: Path) -> list[str]:
    """The names in `folder`, in order, but for those that begin with . or _, which other readers of tables pass over.

    [] if there is no such folder; StorageError if it is a link.
    """
    with explained("listed", folder):
        if folder.is_symlink():
            raise OSError(errno.ELOOP, "it is a symbolic link")
        try:
            return sorted(entry.name for entry in folder.iterdir() if entry.name[0] not in "._")
        except FileNotFoundError:
            return []


def read(path: Path) -> bytes | None:
    """The file's content; None if there is no such file, StorageError if it is no regular file or too large."""
    with explained("read", path):
        try:
            with _regular(path) as descriptor:
                return _content(descriptor)
        except FileNotFoundError:
            return None


@contextmanager
def opened(path: Path) -> Iterator[pa.NativeFile]:
    """The file, opened by Arrow for reading at any position while inside; OSError unless it is a regular file.

    It is not a Python file object: a thread of Arrow that held one would need the interpreter to let go of it, and that
    may be ending by then.
    """
    with _regular(path) as descriptor, pa.OSFile(f"/proc/self/fd/{descriptor}") as file:
        yield file


def size(path: Path) -> int:
    """Bytes of the file; 0 if there is no such file."""
    with explained("read", path):
        try:
            return path.lstat().st_size
        except FileNotFoundError:
            return 0


def move(path: Path, folder: Path) -> Path:
    """Move the file into `folder`, durably, under its name or, if that is taken, with a number; its new path."""
    make_folder(folder)
    target = next(free for free in _alternatives(folder / path.name) if not os.path.lexists(free))
    with explained("moved", path):
        path.replace(target)
        _sync_folder(folder)
        _sync_folder(path.parent)
    return target


def remove(path: Path) -> None:
    """Remove the file if it is there."""
    with explained("removed", path):
        path.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Remove all that lies in `folder`: temporary files that a killed run had not finished writing."""
    with explained("cleared", folder):
        for path in list(folder.iterdir()):
            if path.is_dir() and not path.is_symlink():
                clear(path)
                path.rmdir()
            else:
                path.unlink()


def _alternatives(path: Path) -> Iterator[Path]:
    yield path
    for number in count(1):
        yield path.with_name(f"{path.name}.{number}")


@contextmanager
def _regular(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would wait
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        if found.st_size > MOST_BYTES:
            raise OSError(errno.EFBIG, f"it has {found.st_size / 1e9:.3g} GB, more than half of this machine's memory")
        yield descriptor
    finally:
        os.close(descriptor)


def _content(descriptor: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as file:
        return file.read()


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _opened_folder(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    with _opened_folder(folder) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise
