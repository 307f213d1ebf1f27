"""Seals: each stored file carries its own SHA-256 and a format version, and here are the errors if they are wrong.

The hash is inside the file. It is taken with zeros in place of its digits, which are then filled in. So it covers every
other byte, unlike Parquet's page checksums, which leave out footers and headers, and there is no second file that could
be lost or belong to another.
"""

import hashlib
from pathlib import Path

from tmc_sweep.commands import command
from tmc_sweep.errors import DamagedError, NewerError
from tmc_sweep.paths import home_of

_ZEROS = b"0" * 64
PLACEHOLDER = _ZEROS.decode()


def sealed(content: bytes, mark: bytes) -> bytes:
    """The content with its SHA-256 in place of the 64 zeros that follow the last `mark` in it."""
    start = content.rindex(mark + _ZEROS) + len(mark)
    return content[:start] + _digits(content, start) + content[start + len(_ZEROS) :]


def is_sealed(content: bytes, mark: bytes) -> bool:
    """Whether these bytes are, to the bit, what `sealed` gave for the same mark."""
    start = content.rfind(mark) + len(mark)
    return start >= len(mark) and content[start : start + len(_ZEROS)] == _digits(content, start)


def check_version(path: Path, version: int, newest: int) -> None:
    """NewerError if a file's format version is later than the newest that this code knows of its kind."""
    if version > newest:
        raise NewerError(
            f"{path} must have a format version up to {newest}, but has {version}: "
            "use the newer tmc_sweep that wrote it"
        )


def damaged(path: Path, what: str, sweep: str = "") -> DamagedError:
    """The error for a file that is not as we wrote it; it advises to repair the file's sweep, or `sweep` if given."""
    results, name = home_of(path)
    return DamagedError(path, what, f"mend it with {command(f'repair {sweep or name}', results)}")


def _digits(content: bytes, start: int) -> bytes:
    view = memoryview(content)
    digest = hashlib.sha256(view[:start])
    digest.update(_ZEROS)
    digest.update(view[start + len(_ZEROS) :])
    return digest.hexdigest().encode()
