"""Values and what others said, as text."""

import math

_HUGE = 1e7


def first_line(text: object) -> str:
    """The first line that has words, or ""."""
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "")


def last_line(text: object) -> str:
    """The last line that has words, or "": of a traceback the error itself."""
    return next((line.strip() for line in reversed(str(text).splitlines()) if line.strip(". ")), "")


def visible(text: object, also: str = "") -> str:
    """The text in characters that print, and those of `also`; any other as Python writes it, such as `\\x1b`.

    So a terminal or a page shows control characters, and those that turn text round or take no room, and obeys none.
    """
    return "".join(each if each.isprintable() or each in also else repr(each)[1:-1] for each in str(text))


def decimals(value: float | None, digits: int = 3, sign: str = "-") -> str:
    """A number with so many decimals, a huge one with six digits; nothing for None."""
    if value is None or not math.isfinite(value):
        return "" if value is None else "not finite"
    return minus(f"{value:{sign}.{digits}f}" if abs(value) < _HUGE else f"{value:{sign}.6g}")


def minus(text: str) -> str:
    """The number's text with a minus sign as long as its digits."""
    return f"−{text[1:]}" if text.startswith("-") else text


def counted(number: int, thing: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
