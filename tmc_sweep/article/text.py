"""Published numbers, rules and readings as text, for the report's appendix and `tmc-sweep claims`."""

from collections.abc import Mapping
from typing import Any

from tmc_sweep.article.published import Number
from tmc_sweep.article.reading import Reading
from tmc_sweep.article.verdicts import Rule
from tmc_sweep.config import NAMING
from tmc_sweep.statistics.labels import label
from tmc_sweep.text import counted, decimals, minus


def printed(number: Number) -> str:
    """A published number as the article prints it: `-97.52 ± 0.03`, or `5 to 6`."""
    digits = 2 if number.metric == "test_objective" else 0
    value = decimals(number.value, digits)
    if number.to is not None:
        return f"{value} to {decimals(number.to, digits)}"
    return f"{value} ± {decimals(number.spread, digits)}" if number.spread is not None else value


def bounds(rule: Rule) -> str:
    """What a rule asks of the measured value: `above 0`, `at least 0.5, at most 2`."""
    known = {"above": rule.above, "at least": rule.at_least, "at most": rule.at_most, "below": rule.below}
    asked = ", ".join(f"{words} {minus(f'{bound:g}')}" for words, bound in known.items() if bound is not None)
    return f"{asked}, shown to within {rule.margin:g}" if rule.margin else asked


def location(where: Mapping[str, Any]) -> str:
    """Where something was measured, such as `mnist tmc small K=20 lr=0.001`."""
    rest = [f"{name} {where[name]}" for name in ("bound", "samples") if name in where]
    return ", ".join([label(where, [name for name in NAMING if name in where]), *rest])


def with_interval(reading: Reading) -> str:
    """A reading's value with its interval: `+0.123 nats per image [+0.100, +0.146]`; "" without a value."""
    if reading.value is None:
        return ""
    low, high = reading.low, reading.high
    numbers = [reading.value] if low is None or high is None else [reading.value, low, high]
    match reading.unit:
        case "times":
            value, *interval = (f"{number:.2f}" for number in numbers)
            value = f"{value} times"
        case "diverged":
            value, *interval = (f"{number:.0%}" for number in numbers)
            value = f"{reading.value * reading.n:.0f} of {reading.n} diverged"
        case "of images":
            value, *interval = (minus(f"{number:+.1%}") for number in numbers)
        case _:
            value, *interval = (decimals(number, 3, "+") for number in numbers)
            value = f"{value} {reading.unit}"
    return f"{value} [{', '.join(interval)}]" if reading.interval else value


def side_by_side(processes: int) -> str:
    """A remark that this many processes trained at once on a machine, which may have slowed each."""
    return f"up to {processes} processes at once on a machine"


def basis(reading: Reading) -> str:
    """What a reading rests on: seeds, epochs, the kind of interval, and why it decides nothing, if so."""
    parts = [counted(reading.n, reading.counted)]
    if reading.epochs:
        first, last = reading.epochs
        parts.append(f"epoch {last}" if first == last else f"epochs {first} to {last}")
    if reading.interval:
        parts.append(f"[ ]: {reading.interval}")
    if reading.beside > 1:
        parts.append(side_by_side(reading.beside))
    return ", ".join([*parts, *([reading.why] if reading.why else [])])
