"""Short names for trials and cells: the fields in which they differ."""

from collections.abc import Mapping, Sequence

from tmc_sweep.records import CELL_COLUMNS

_ALWAYS = ("objective", "architecture", "K", "lr")
_BARE = ("objective", "architecture", "data")  # values that need no name


def telling_fields(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """The fields of a cell that a reader must see: the usual ones, and those in which these rows differ."""
    follows_k = all(row["eval_k"] == row["K"] for row in rows)
    names = (column.name for column in CELL_COLUMNS if not (follows_k and column.name == "eval_k"))
    return [name for name in names if name in _ALWAYS or len({row[name] for row in rows}) > 1]


def label(row: Mapping[str, object], names: Sequence[str]) -> str:
    """These fields as text, such as `tmc small K=5 lr=0.001`."""
    return " ".join(str(row[name]) if name in _BARE else f"{name}={row[name]}" for name in names)
