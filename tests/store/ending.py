"""Reads a part, and ends while a native thread lets go of what Arrow read it from: `ending.py RESULTS ours|python MS`.

The thread has so many milliseconds to ask for the interpreter, if it needs it; then the interpreter ends.
"""

import ctypes
import sys
from pathlib import Path

import pyarrow as pa

from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EPOCH_COLUMNS
from tmc_sweep.store import parquet
from tmc_sweep.store.parquet import read_sweep_id
from tmc_sweep.store.parts import read_part

RELEASE = 8  # the place of the function that lets go, in the ten words of Arrow's C data interface
NEVER = 1e6  # seconds between two offers of the interpreter to other threads


def read_from(part: Path) -> pa.Buffer:
    """What Arrow was given to read the part from."""
    given, reader = [], pa.BufferReader
    parquet.pa.BufferReader = lambda source: (given.append(source), reader(source))[1]
    read_part(part, read_sweep_id(part, EPOCH_COLUMNS))
    parquet.pa.BufferReader = reader
    return given[0] if isinstance(given[0], pa.Buffer) else pa.py_buffer(given[0])


def exported(buffer: pa.Buffer) -> ctypes.Array[ctypes.c_uint64]:
    """The buffer as C has it, which is all that holds it once the caller has forgotten it."""
    words = (ctypes.c_uint64 * 10)()
    pa.Array.from_buffers(pa.uint8(), 1, [None, buffer])._export_to_c(ctypes.addressof(words))
    return words


class Thread:
    """A thread of no Python that lets go of the buffer; deleted with the modules, it is waited for while all ends."""

    def __init__(self, words: ctypes.Array[ctypes.c_uint64], milliseconds: int) -> None:
        """Begin it, and keep the interpreter meanwhile: it can only ask for it."""
        sys.setswitchinterval(NEVER)
        self.number, self.join, self.words = ctypes.c_ulong(), ctypes.CDLL(None).pthread_join, words
        keeping = ctypes.PyDLL(None)
        keeping.pthread_create(ctypes.byref(self.number), None, ctypes.c_void_p(words[RELEASE]), words)
        keeping.usleep(1000 * milliseconds)

    def __del__(self) -> None:
        self.join(self.number, None)


if __name__ == "__main__":
    results, what, milliseconds = sys.argv[1:]
    given = read_from(SweepPaths(Path(results), "tiny").part(0))
    words = exported(pa.py_buffer(bytes(given)) if what == "python" else given)
    del given
    thread = Thread(words, int(milliseconds))
