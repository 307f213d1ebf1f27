"""One writer per sweep, and one of its artefacts: the kernel's lock, which ends with the process that holds it."""

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
    """Be the sweep's one writer inside; SweepBusyError at once if another process is.

    Also removes what a killed writer left half-written. Child processes do not inherit the lock across exec. Yields
    what to call before a commit: a StorageError if the lock was removed, for then another run may have one of its own.
    """
    files.prepare(paths)
    with _opened(paths.lock) as descriptor:
        with files.explained("locked", paths.lock):
            _take(paths, descriptor)
            files.clear(paths.temporary)
        yield partial(_check_held, paths.lock, descriptor)


@contextmanager
def artefact_lock(paths: SweepPaths) -> Iterator[None]:
    """Be the one process that writes the sweep's artefact tables, once another has written its own.

    Not `sweep_lock`, which a run holds for hours, nor its folder of temporary files, which a run clears.
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
