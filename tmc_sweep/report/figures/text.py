"""What figures call metrics."""

from tmc_sweep.registry import BOUNDS

_SPLITS = {"train": "Training", "val": "Validation", "test": "Test"}


def metric_name(metric: str) -> str:
    """`Test objective` for `test_objective`."""
    split, bound = metric.split("_")
    return f"{_SPLITS[split]} {BOUNDS[bound].title if bound in BOUNDS else bound}"


def with_unit(metric: str) -> str:
    """An axis label, on two lines."""
    return f"{metric_name(metric)}\n(nats per image)"


def is_number(value: object) -> bool:
    """Whether it lies on an axis; true and false do not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
