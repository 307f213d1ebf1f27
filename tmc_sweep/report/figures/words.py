"""Columns and counts in words."""

_BOUNDS = {"elbo": "ELBO", "iwae": "IWAE bound", "tmc": "TMC bound", "objective": "objective"}
_SPLITS = {"train": "Training", "val": "Validation", "test": "Test"}


def metric_name(metric: str) -> str:
    """`Test objective` for `test_objective`."""
    split, bound = metric.split("_")
    return f"{_SPLITS[split]} {_BOUNDS[bound]}"


def with_unit(metric: str) -> str:
    """An axis label."""
    return f"{metric_name(metric)} (nats per image)"


def counted(number: int, thing: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
