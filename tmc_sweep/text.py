"""Values as text: one function for each kind of value, for messages, the terminal, figures and pages alike.

Only a value's type decides here. What a column or metric is called is decided where it is known: `report/figures/
text.py` for figures, `cli/show.py` for tables on the terminal.
"""

import math
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

_HUGE = 1e7  # from here on decimals would say nothing


def first_line(text: object) -> str:
    """The first line that is not blank, without spaces around it; "" if there is none."""
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "")


def last_line(text: object) -> str:
    """The last line that is neither blank nor dots; "" if there is none. Of a traceback it is the error itself."""
    return next((line.strip() for line in reversed(str(text).splitlines()) if line.strip(". ")), "")


def visible(text: object, also: str = "") -> str:
    """The text with each character that does not print written as Python escapes it, such as `\\x1b`.

    Texts come from files and servers of others. A control character could move the cursor of a terminal, and others
    turn text round or take no room; escaped, they are shown and do nothing. Characters of `also` stay as they are.
    """
    return "".join(each if each.isprintable() or each in also else repr(each)[1:-1] for each in str(text))


def decimals(value: float | None, digits: int = 3, sign: str = "-") -> str:
    """A number with this many decimals, one of 10⁷ or more with six digits; "" for None, "not finite" for NaN.

    `sign` is that of a format specification: "+" also shows the sign of positive numbers.
    """
    if value is None or not math.isfinite(value):
        return "" if value is None else "not finite"
    return minus(f"{value:{sign}.{digits}f}" if abs(value) < _HUGE else f"{value:{sign}.6g}")


def minus(text: str) -> str:
    """A number's text with the typographic minus sign in place of the hyphen."""
    return f"−{text[1:]}" if text.startswith("-") else text


def counted(number: int, thing: str) -> str:
    """A number and its noun, in the plural if it is not 1: `1 cell`, `2 cells`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def plain(value: object) -> str:
    """A value as YAML would have it, floats with six digits: `tmc`, `true`, `0.001`."""
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def quoted(value: object) -> str:
    """A value as messages show it: texts in quotes, floats whole, and null, true and false as YAML has them."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def shortened(text: str) -> str:
    """The text in at most 80 characters, the last three of them dots where it is longer."""
    return text if len(text) <= 80 else text[:77] + "..."


def shown(value: object) -> str:
    """A table's value as people read it: as `plain`, but "" for None, "not finite" for NaN, and times in UTC."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float) and not math.isfinite(value):
        return "not finite"
    return moment(value) if isinstance(value, datetime) else minus(plain(value))


def short(value: float) -> str:
    """A number with six digits, as short as it can be: `1e-5`, `0.001`, `20`."""
    return plain(float(value)).replace("e-0", "e-").replace("e+0", "e")


def span(values: Iterable[float]) -> str:
    """The least and the greatest of some numbers, at least one: `1–3`, or `3` where all are equal."""
    ordered = sorted(values)
    return "–".join(f"{value:.10g}" for value in dict.fromkeys((ordered[0], ordered[-1])))


def moment(time: datetime) -> str:
    """A time of a table, which is in UTC, to the minute: `2026-01-31 14:05 UTC`."""
    return f"{time:%Y-%m-%d %H:%M} UTC"


def duration(seconds: float) -> str:
    """Seconds as people say them: `42 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def gigabytes(n_bytes: float) -> str:
    """Bytes in gigabytes of 10⁹, with three digits: `12 GB`."""
    return f"{n_bytes / 1e9:.3g} GB"


def amount(n_bytes: float) -> str:
    """Bytes in the largest unit that fits, with three digits: `12 GB`, `3.5 MB`, `120 kB`."""
    if n_bytes >= 1e9:
        return gigabytes(n_bytes)
    return f"{n_bytes / 1e6:.3g} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.3g} kB"


def wrapped(text: str, width: int) -> str:
    """The text on lines of at most `width` characters, broken between words; a longer word breaks after `=` or `_`."""
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
