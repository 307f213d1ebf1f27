"""A folder for what Ray and Tune write while a sweep runs. It is removed at the end; after a kill, by the next run."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tmc_sweep.errors import CannotRunError

_PREFIX = "tmc-"
_OWNER = "owner"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder with a short name while inside; folders of processes that were killed are removed.

    Whether a folder's process lives, the kernel tells: it holds a lock on a file in the folder, which it took before
    the file had its name. CannotRunError if no folder can be made.
    """
    root = temporary_root()
    for folder in root.glob(f"{_PREFIX}*"):
        _remove_if_abandoned(folder)
    folder = _new_folder(root)
    descriptor = os.open(folder / "new", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        (folder / "new").rename(folder / _OWNER)
        yield folder
    finally:
        _remove(folder)
        os.close(descriptor)


def temporary_root() -> Path:
    """The folder in which Ray keeps its files: a short path, since the paths of its sockets are limited."""
    return Path(os.environ.get("RAY_TMPDIR") or "/tmp").absolute()  # noqa: S108 - Ray's own path


def _new_folder(root: Path) -> Path:
    try:
        root.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
    except OSError as error:
        raise CannotRunError(
            f"Ray must have a folder for its files, but {root} cannot be one ({error.strerror}): "
            "let RAY_TMPDIR name a folder that you may write to, or unset it"
        ) from None


def _remove_if_abandoned(folder: Path) -> None:
    """Remove this folder, if a process of ours made it and is gone."""
    try:
        descriptor = os.open(folder / _OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not folder.is_symlink() and folder.stat().st_uid == os.getuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(folder)
    except OSError:  # its process lives, or another run removes it too
        pass
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """Remove a folder, its owner's file last: if something cannot be removed, the next run tries again."""
    with suppress(OSError):  # others clear such folders too
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
