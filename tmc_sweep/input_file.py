"""Files that a user names, or that anybody may have put there: only regular files are read, and only up to a size.

A path may name a pipe, on which reading waits for ever, a device without end, or a file that fills the memory. These
functions refuse all of them. The store has its own, stricter reading in `store/files.py`, which follows no links.
"""

import errno
import os
import stat
from pathlib import Path

_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}


class IrregularError(OSError):
    """The path names something else than a regular file; `strerror` says what: a FIFO, a folder, a device."""


class TooLargeError(OSError):
    """The file has more bytes than it may have."""


def read(path: Path, most: int) -> bytes:
    """The whole content of a file, or of the one that a link leads to.

    OSError if it cannot be read: IrregularError if it is no regular file, TooLargeError if it has more than `most`
    bytes.
    """
    _check(path.stat().st_mode)  # before it is opened, which some devices notice
    with open(path, "rb", opener=at_once) as file:
        _check(os.fstat(file.fileno()).st_mode)  # another may have taken its place
        content = file.read(most + 1)
    if len(content) > most:
        raise TooLargeError(errno.EFBIG, f"it has more than {most} bytes")
    return content


def _check(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise IrregularError(errno.EINVAL, _KINDS.get(stat.S_IFMT(mode), "a device"))


def at_once(path: str, flags: int) -> int:
    """A descriptor of the file, for `open(..., opener=at_once)`: opening never waits for a FIFO's other end."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
