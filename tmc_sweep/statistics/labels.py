"""Short names for trials and cells: the fields in which they differ."""

from collections.abc import Mapping, Sequence

from tmc_sweep.config import follows
from tmc_sweep.records import CELL_FIELDS
from tmc_sweep.text import plain

_ALWAYS = ("objective", "architecture", "K", "lr")
_BARE = ("objective", "architecture", "data")  # values that need no name


def telling_fields(rows: Sequence[Mapping[str, object]], fields: Sequence[str] = CELL_FIELDS) -> list[str]:
    """Of the fields of a cell those that a reader must see: the usual ones, and those in which these rows differ."""
    differing = differing_fields(rows, fields)
    return [name for name in fields if name in (*_ALWAYS, *differing)]


def differing_fields(rows: Sequence[Mapping[str, object]], fields: Sequence[str] = CELL_FIELDS) -> list[str]:
    """Those in which these rows differ, less those that follow from another in every row."""
    names = [name for name in fields if len({row[name] for row in rows}) > 1]
    return [name for name in names if not all(follows(name, row) for row in rows)]


def label(row: Mapping[str, object], names: Sequence[str]) -> str:
    """These fields as text, such as `tmc small K=5 lr=0.001`."""
    return " ".join(str(row[name]) if name in _BARE else f"{name}={plain(row[name])}" for name in names)
