"""Bytes of data files, plain or compressed: regular ones only, and never more than asked for."""

import gzip
import zlib
from io import BytesIO
from pathlib import Path

from tmc_sweep import input_file
from tmc_sweep.errors import InputError


def read(path: Path, most: int) -> bytes:
    """The whole file, or the one that a link leads to; InputError unless it is regular and holds at most so much."""
    try:
        return input_file.read(path, most)
    except input_file.IrregularError as error:
        raise InputError(f"{path} must be a regular file, but is {error.strerror}: put the file in its place") from None
    except input_file.TooLargeError:
        raise _too_large(path, most) from None
    except OSError as error:
        raise InputError(f"{path} must be readable, but is not ({error.strerror}): put it there, readable") from None


def inflated(path: Path, most: int) -> bytes:
    """What a gzip file of at most so many bytes holds, itself at most so many; InputError otherwise."""
    packed = read(path, most)
    try:
        content = gzip.GzipFile(fileobj=BytesIO(packed)).read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} must be a whole gzip file, but is not ({error}): replace it") from None
    if len(content) > most:
        raise _too_large(path, most)
    return content


def _too_large(path: Path, most: int) -> InputError:
    return InputError(f"{path} must hold at most {most} bytes, but holds more: replace it")
