"""Locks: one process writes a sweep's tables, and one its artefact tables.

They are the kernel's locks (flock) on files of the private folder. A lock ends with the process that holds it, however
it ends, so a rerun after a kill gets it at once.
"""

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tmc_sweep.errors import StorageError, SweepBusyError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store import files


@contextmanager
def sweep_lock(paths: SweepPaths) -> Iterator[Callable[[], None]]:
    """Inside, this process is the sweep's one writer; SweepBusyError at once if another process is.

    Also removes temporary files that a killed writer left. Programs that are started inside do not inherit the lock.

    Yields a function to call before each commit: StorageError if the lock file was removed meanwhile, for then another
    run may hold a lock on a new file of that name.
    """
    files.prepare(paths)
    with _opened(paths.lock) as descriptor:
        with files.explained("locked", paths.lock):
            _take(paths, descriptor)
            files.clear(paths.temporary)
        yield partial(_check_held, paths.lock, descriptor)


@contextmanager
def artefact_lock(paths: SweepPaths) -> Iterator[None]:
    """Inside, this process is the one that writes the sweep's artefact tables; it waits for another that does.

    It is not `sweep_lock`, which a run holds for hours, and uses another folder of temporary files, since a run clears
    its own.
    """
    files.prepare(paths)
    files.make_folder(paths.artefact_temporary)
    with _opened(paths.artefact_lock) as descriptor:
        with files.explained("locked", paths.artefact_lock):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            files.clear(paths.artefact_temporary)
        yield


@contextmanager
def _opened(lock: Path) -> Iterator[int]:
    with files.explained("locked", lock):
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)  # gives the lock back


def _check_held(lock: Path, descriptor: int) -> None:
    with files.explained("checked", lock):
        if not os.path.samestat(lock.stat(), os.fstat(descriptor)):
            raise StorageError(
                f"{lock} must stay while a sweep runs, but another has taken its place: run again, one run at a time"
            )


def _take(paths: SweepPaths, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 1000, 0).decode(errors="replace").strip() or "another process"
        raise SweepBusyError(f"another run holds sweep {paths.name!r}: {owner}: wait for it or stop it") from None
    started = datetime.now(UTC).isoformat(timespec="seconds")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"pid {os.getpid()} on {socket.gethostname()} since {started}\n".encode(), 0)
