"""Files that a user names, or anybody may have put there: regular ones only, and never more than asked for."""

import errno
import os
import stat
from pathlib import Path

_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}


class IrregularError(OSError):
    """It is no regular file, but `strerror`."""


class TooLargeError(OSError):
    """It has more bytes than it may have."""


def read(path: Path, most: int) -> bytes:
    """The whole file, or the one that a link leads to; OSError unless it is regular and holds at most so much."""
    _check(path.stat().st_mode)
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
    """A descriptor, as an `opener` of `open`; it does not wait, as for the other end of a FIFO."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
