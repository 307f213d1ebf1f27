"""What figures call metrics, and whether a field's values are numbers."""

from tmc_sweep.registry import BOUNDS

_SPLITS = {"train": "Training", "val": "Validation", "test": "Test"}


def metric_name(metric: str) -> str:
    """A metric's name for readers: `Test objective` for `test_objective`, `Validation TMC bound` for `val_tmc`."""
    split, bound = metric.split("_")
    return f"{_SPLITS[split]} {BOUNDS[bound].title if bound in BOUNDS else bound}"


def with_unit(metric: str) -> str:
    """The label of a metric's axis, its unit on a second line."""
    return f"{metric_name(metric)}\n(nats per image)"


def is_number(value: object) -> bool:
    """Whether a value is a number that lies on an axis; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
