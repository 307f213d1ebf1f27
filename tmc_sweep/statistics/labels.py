"""Short names for trials and cells: the fields in which they differ."""

from collections.abc import Mapping, Sequence

from tmc_sweep.config import follows
from tmc_sweep.records import CELL_COLUMNS
from tmc_sweep.text import plain

_ALWAYS = ("objective", "architecture", "K", "lr")
_BARE = ("objective", "architecture", "data")  # values that need no name


def telling_fields(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """The fields of a cell that a reader must see: the usual ones, and those in which these rows differ."""
    differing = differing_fields(rows)
    return [column.name for column in CELL_COLUMNS if column.name in (*_ALWAYS, *differing)]


def differing_fields(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """The fields in which these rows differ, less those that follow from another in every row."""
    names = [column.name for column in CELL_COLUMNS if len({row[column.name] for row in rows}) > 1]
    return [name for name in names if not all(follows(name, row) for row in rows)]


def label(row: Mapping[str, object], names: Sequence[str]) -> str:
    """These fields as text, such as `tmc small K=5 lr=0.001`."""
    return " ".join(str(row[name]) if name in _BARE else f"{name}={plain(row[name])}" for name in names)
