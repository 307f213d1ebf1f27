"""Values and what others said, as text: one function for each kind, whoever shows it.

Names and columns are put into words where they are known; here a value's type alone counts.
"""

import math
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

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


def plain(value: object) -> str:
    """A value as YAML has it, numbers with six digits."""
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def quoted(value: object) -> str:
    """A value as messages show it: text in quotes, and null, true and false as YAML has them."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def shortened(text: str) -> str:
    """The text's first 80 characters, the last three of them dots where there are more."""
    return text if len(text) <= 80 else text[:77] + "..."


def shown(value: object) -> str:
    """A table's value as people read it: as `plain`, but nothing for what is not known, and times in UTC."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float) and not math.isfinite(value):
        return "not finite"
    return moment(value) if isinstance(value, datetime) else minus(plain(value))


def short(value: float) -> str:
    """A number as short as it can be: `1e-5`, `0.001`, `20`."""
    return plain(float(value)).replace("e-0", "e-").replace("e+0", "e")


def span(values: Iterable[float]) -> str:
    """`3`, or `1–3` where they differ."""
    ordered = sorted(values)
    return "–".join(f"{value:.10g}" for value in dict.fromkeys((ordered[0], ordered[-1])))


def moment(time: datetime) -> str:
    """A time of a table, in UTC."""
    return f"{time:%Y-%m-%d %H:%M} UTC"


def duration(seconds: float) -> str:
    """Seconds as `42 s`, `3 min 5 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def gigabytes(n_bytes: float) -> str:
    """Bytes as `12 GB`."""
    return f"{n_bytes / 1e9:.3g} GB"


def amount(n_bytes: float) -> str:
    """Bytes as `12 GB`, `3.5 MB` or `120 kB`."""
    if n_bytes >= 1e9:
        return gigabytes(n_bytes)
    return f"{n_bytes / 1e6:.3g} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.3g} kB"


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
