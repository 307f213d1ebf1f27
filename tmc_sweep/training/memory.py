"""The memory of a process that trains on a CPU: what it frees, it keeps."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_KEPT = 2**28  # bytes that lie free
_LARGE = 2**25  # bytes of a block that goes back at once, the most that glibc takes here


def keep_freed_memory() -> None:
    """Let a step's tensors take the place of the step's before, where the C library is glibc; elsewhere nothing.

    By itself glibc hands freed memory back to the system, which clears each page of it before it gives it out anew:
    some 3000 pages a step, a tenth of its time.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGE)
    mallopt(_M_TRIM_THRESHOLD, _KEPT)
