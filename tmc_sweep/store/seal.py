"""What each of our files tells of itself, its SHA-256 and its version, and what is said of one that is not as written.

The hash is inside the file: taken with zeros in place of its digits, which are then filled in. Page checksums leave out
footers, headers and statistics; this leaves out nothing, and no sidecar can be torn from it.
"""

import hashlib
from pathlib import Path

from tmc_sweep.commands import command
from tmc_sweep.errors import DamagedError, NewerError
from tmc_sweep.paths import home_of

_ZEROS = b"0" * 64
PLACEHOLDER = _ZEROS.decode()


def sealed(content: bytes, mark: bytes) -> bytes:
    """`content` with its hash in place of the zeros that follow the last `mark`."""
    start = content.rindex(mark + _ZEROS) + len(mark)
    return content[:start] + _digits(content, start) + content[start + len(_ZEROS) :]


def is_sealed(content: bytes, mark: bytes) -> bool:
    """Whether these are, to the bit, bytes that `sealed` gave."""
    start = content.rfind(mark) + len(mark)
    return start >= len(mark) and content[start : start + len(_ZEROS)] == _digits(content, start)


def check_version(path: Path, version: int, newest: int) -> None:
    """NewerError if a file has a later version than the newest that this code knows of its kind."""
    if version > newest:
        raise NewerError(
            f"{path} must have a format version up to {newest}, but has {version}: "
            "use the newer tmc_sweep that wrote it"
        )


def damaged(path: Path, what: str, sweep: str = "") -> DamagedError:
    """The error for a file that is not as we wrote it: repairing its sweep mends it, or that of another name."""
    results, name = home_of(path)
    return DamagedError(path, what, f"mend it with {command(f'repair {sweep or name}', results)}")


def _digits(content: bytes, start: int) -> bytes:
    view = memoryview(content)
    digest = hashlib.sha256(view[:start])
    digest.update(_ZEROS)
    digest.update(view[start + len(_ZEROS) :])
    return digest.hexdigest().encode()
