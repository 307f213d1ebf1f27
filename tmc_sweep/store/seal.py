"""A file's SHA-256 inside the file itself: taken with zeros in place of its digits, which are then filled in.

Page checksums leave out footers, headers and statistics; this leaves out nothing, and no sidecar can be torn from it.
"""

import hashlib

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


def _digits(content: bytes, start: int) -> bytes:
    view = memoryview(content)
    digest = hashlib.sha256(view[:start])
    digest.update(_ZEROS)
    digest.update(view[start + len(_ZEROS) :])
    return digest.hexdigest().encode()
