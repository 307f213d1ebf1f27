"""Whether the values of a stored column are such as its declaration admits: a correct seal says who wrote, not what."""

from collections.abc import Iterator

import pyarrow as pa
from pyarrow import compute

from tmc_sweep.records import Column


def refusals(column: Column, values: pa.ChunkedArray) -> Iterator[str]:
    """What is wrong with the values of a column, strings as a dictionary, if something is."""
    if values.null_count and not column.nullable:
        yield "has nulls"
    yield from (f"holds {value!r:.40}" for value in _telling(values) if not column.admits(value))


def _telling(values: pa.ChunkedArray) -> Iterator[object]:
    """Those that stand for all: each word of a dictionary, also one that no row has; else NaN, the least, the most."""
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
    except (OverflowError, ValueError):  # a time that Python has none for: as the number that it is
        return scalar.value
