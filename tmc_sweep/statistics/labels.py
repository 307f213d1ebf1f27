"""Short names for trials and cells, made of the fields in which they differ: `tmc small K=5 lr=0.001`.

names = telling_fields(rows)               # which fields to show
texts = [label(row, names) for row in rows]
"""

from collections.abc import Mapping, Sequence

from tmc_sweep.config import follows
from tmc_sweep.records import CELL_FIELDS
from tmc_sweep.text import plain

_ALWAYS = ("objective", "architecture", "K", "lr")  # fields that a reader looks for, also if all cells share them
_BARE = ("objective", "architecture", "data")  # fields whose value says by itself what it is


def telling_fields(rows: Sequence[Mapping[str, object]], fields: Sequence[str] = CELL_FIELDS) -> list[str]:
    """The fields of a cell that a reader must see: the usual ones, and those in which these rows differ."""
    differing = differing_fields(rows, fields)
    return [name for name in fields if name in (*_ALWAYS, *differing)]


def differing_fields(rows: Sequence[Mapping[str, object]], fields: Sequence[str] = CELL_FIELDS) -> list[str]:
    """The fields in which these rows, at least one, differ; not those that follow from another in every row."""
    names = [name for name in fields if len({row[name] for row in rows}) > 1]
    return [name for name in names if not all(follows(name, row) for row in rows)]


def label(row: Mapping[str, object], names: Sequence[str]) -> str:
    """These fields as text, such as `tmc small K=5 lr=0.001`."""
    return " ".join(str(row[name]) if name in _BARE else f"{name}={plain(row[name])}" for name in names)
