"""Numbers as figures and pages show them."""

import math

_HUGE = 1e7


def decimals(value: float | None, digits: int = 3, sign: str = "-") -> str:
    """A number with so many decimals, a huge one with six digits; nothing for None."""
    if value is None or not math.isfinite(value):
        return "" if value is None else "not finite"
    return minus(f"{value:{sign}.{digits}f}" if abs(value) < _HUGE else f"{value:{sign}.6g}")


def minus(text: str) -> str:
    """The number's text with a minus sign as long as its digits."""
    return f"−{text[1:]}" if text.startswith("-") else text
