"""CSV that is safe to open in a spreadsheet: all CSV that we write passes through here.

A spreadsheet computes a text that begins like a formula, such as `=HYPERLINK(…)`, and a name in a table may come from
anybody. Such texts get an apostrophe before them, which makes them texts again. Numbers stay as they are.
"""

import re
from typing import Any

import pandas as pd
import pyarrow as pa
from pandas.api.types import is_numeric_dtype
from pyarrow import compute

_FORMULA = r"^([=+\-@\t\r\n＝＋－＠])"  # how a formula may begin, also in full-width characters


def as_csv(frame: pd.DataFrame) -> str:
    """The frame as CSV: a line of column names, then its rows, without the index."""
    plain = frame.apply(lambda values: values if is_numeric_dtype(values) else values.map(_text))
    return str(plain.rename(columns=_text).to_csv(index=False))


def texts(table: pa.Table) -> pa.Table:
    """The table with its texts made safe, to be written to CSV."""
    columns = {_text(name): _texts(values) for name, values in zip(table.column_names, table.columns, strict=True)}
    return pa.table(columns)


def _texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return compute.replace_substring_regex(values, _FORMULA, r"'\1") if pa.types.is_string(values.type) else values


def _text(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and re.match(_FORMULA, value) else value
