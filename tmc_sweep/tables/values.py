"""Whether the values of a stored column are such as its declaration admits: a correct seal says who wrote, not what."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime

import pyarrow as pa
from pyarrow import compute

from tmc_sweep.records import Column

_MICROSECONDS = tuple(int(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1e6) for year in (1970, 2262))  # as pandas has


def refusals(column: Column, values: pa.ChunkedArray) -> Iterator[str]:
    """What is wrong with the values of a column, strings as a dictionary, if something is."""
    if values.null_count and not column.nullable:
        yield "has nulls"
    if column.dtype == "string":
        yield from (f"holds {value!r:.40}" for value in _distinct(values) if not column.admits(value))
    elif column.dtype == "timestamp":
        yield from _outside(values.cast(pa.int64()), *_MICROSECONDS)
    elif column.dtype in ("int64", "float64") and (column.least, column.most) != (None, None):
        yield from _outside(values, column.least, column.most)


def _distinct(values: pa.ChunkedArray) -> list[str]:
    """Of a dictionary also words that no row has."""
    dictionaries = [chunk.dictionary for chunk in values.chunks if pa.types.is_dictionary(chunk.type)]
    return [word for dictionary in dictionaries for word in dictionary.to_pylist() if word is not None]


def _outside(values: pa.ChunkedArray, least: float | None, most: float | None) -> Iterator[str]:
    low, high = compute.min_max(values).values()
    low, high = low.as_py(), high.as_py()
    if low is None:
        return
    if pa.types.is_floating(values.type) and compute.any(compute.is_nan(values)).as_py():
        yield "holds a value that is no number"
    elif (least is not None and low < least) or high > (math.inf if most is None else most):
        yield f"holds {low if least is not None and low < least else high}"
