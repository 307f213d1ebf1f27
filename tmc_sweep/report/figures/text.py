"""Columns, numbers and counts in words."""

import re
from collections.abc import Iterable, Iterator

_BOUNDS = {"elbo": "ELBO", "iwae": "IWAE bound", "tmc": "TMC bound", "objective": "objective"}
_SPLITS = {"train": "Training", "val": "Validation", "test": "Test"}


def metric_name(metric: str) -> str:
    """`Test objective` for `test_objective`."""
    split, bound = metric.split("_")
    return f"{_SPLITS[split]} {_BOUNDS[bound]}"


def with_unit(metric: str) -> str:
    """An axis label, on two lines."""
    return f"{metric_name(metric)}\n(nats per image)"


def is_number(value: object) -> bool:
    """Whether it lies on an axis; true and false do not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: float) -> str:
    """As short as it can be: `1e-5`, `0.001`, `20`."""
    return f"{value:g}".replace("e-0", "e-").replace("e+0", "e")


def wrapped(text: str, width: int) -> str:
    """On lines of at most so many characters where words allow it; one that is longer breaks after `=` or `_`."""
    return "\n".join(line for paragraph in text.splitlines() for line in _lines(paragraph, width))


def _lines(paragraph: str, width: int) -> Iterator[str]:
    line = ""
    for word in paragraph.split(" "):
        gap = " " if line else ""
        for piece in [word] if len(word) <= width else re.findall("[^=_]*[=_]|[^=_]+", word):
            if line and len(line + gap + piece) > width:
                yield line
                line, gap = "", ""
            line, gap = line + gap + piece, ""
    yield line


def span(values: Iterable[float]) -> str:
    """`3`, or `1–3` where they differ."""
    ordered = sorted(values)
    return "–".join(f"{value:.10g}" for value in dict.fromkeys((ordered[0], ordered[-1])))
