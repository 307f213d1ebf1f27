"""Bytes of files that anybody may have put there: regular ones only, and never more than asked for."""

import gzip
import os
import stat
import zlib
from io import BytesIO
from pathlib import Path

from tmc_sweep.errors import InputError

_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}


def read(path: Path, most: int) -> bytes:
    """The whole file, or the one that a link leads to; InputError unless it is regular and holds at most so much."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = _KINDS.get(stat.S_IFMT(mode), "a device")
            raise InputError(f"{path} must be a regular file, but is {kind}: put the file in its place")
        with open(path, "rb", opener=_at_once) as file:
            return _bounded(path, file.read(most + 1), most)
    except OSError as error:
        raise InputError(f"{path} must be readable, but is not ({error.strerror}): let it be read") from None


def inflated(path: Path, most: int) -> bytes:
    """What a gzip file of at most so many bytes holds, itself at most so many; InputError otherwise."""
    content = read(path, most)
    try:
        return _bounded(path, gzip.GzipFile(fileobj=BytesIO(content)).read(most + 1), most)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} must be a whole gzip file, but is not ({error}): replace it") from None


def _at_once(path: str, flags: int) -> int:
    """A descriptor; it does not wait, as for the writer of a FIFO that has just taken the file's place."""
    return os.open(path, flags | os.O_NONBLOCK)


def _bounded(path: Path, content: bytes, most: int) -> bytes:
    if len(content) > most:
        raise InputError(f"{path} must hold at most {most} bytes, but holds more: replace it")
    return content
