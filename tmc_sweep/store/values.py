"""The values of a stored column, checked against its declaration in `records.py`.

A correct seal shows that a file is as it was written, not that what was written makes sense: anybody can compute one.
"""

from collections.abc import Iterator

import pyarrow as pa
from pyarrow import compute

from tmc_sweep.records import Column


def refusals(column: Column, values: pa.ChunkedArray) -> Iterator[str]:
    """What is wrong with the values of a column, in words that follow its name; nothing if all are admitted.

    Texts and bytes come as dictionaries.
    """
    if values.null_count and not column.nullable:
        yield "has nulls"
    if column.dtype == "float64" and column.least is column.most is None:
        return  # any number will do
    yield from (f"holds {value!r:.40}" for value in _telling(values) if not column.admits(value))


def _telling(values: pa.ChunkedArray) -> Iterator[object]:
    """Values that stand for all: those of a dictionary, also without a row; of numbers NaN, the least and the most."""
    if pa.types.is_dictionary(values.type):
        for chunk in values.chunks:
            yield from (word for word in chunk.dictionary.to_pylist() if word is not None)
        return
    if pa.types.is_floating(values.type) and compute.any(compute.is_nan(values)).as_py():
        yield float("nan")
    yield from (_python(bound) for bound in compute.min_max(values).values() if bound.is_valid)


def _python(scalar: pa.Scalar) -> object:
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):  # a time beyond Python's: as a number, which no column of times admits
        return scalar.value
