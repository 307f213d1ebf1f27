"""The one door to the terminal: text of a table, a file, a server or a name is shown there, and does nothing.

Control, bidi and zero-width characters stand there as Python writes them (`visible`); markup and emoji codes as they
are. What is meant as one line stays one line.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from rich.console import Console, JustifyMethod
from rich.text import Text

from tmc_sweep.text import visible

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table


def console(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """One that reads no text as more than text."""
    return Console(stderr=stderr, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False)


messages = console(stderr=True, soft_wrap=True)


def show(*lines: object) -> None:
    """Each on a line of stdout."""
    for each in lines:
        typer.echo(visible(each))


def show_text(text: str, *, err: bool = False) -> None:
    """A text of many lines on stdout, or stderr."""
    typer.echo(visible(text, also="\n\t"), nl=False, err=err)


def tell(*lines: object, to: Console | None = None) -> None:
    """Each on a line of stderr, or of a console."""
    for each in lines:
        (to or messages).print(line(each), soft_wrap=True)


def line(text: object) -> Text:
    """One line, to be drawn."""
    return Text(visible(text))


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[str]) -> "Table":
    """A table to be drawn; `texts` are the columns that begin at the left."""
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in headers:
        side: JustifyMethod = "left" if name in texts else "right"
        drawn.add_column(Text(visible(name, also="\n")), justify=side, no_wrap=True)
    for row in rows:
        drawn.add_row(*map(line, row))
    return drawn


def bar(text: str, on: Console) -> "Progress":
    """A bar that goes away at its end, after a text such as `{task.description}`."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(TextColumn(text, markup=False), BarColumn(), TimeRemainingColumn(), console=on, transient=True)


class _OneLine(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return visible(super().formatMessage(record))


class _Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        show_text(f"{self.format(record)}\n", err=True)


warnings = _Warnings(logging.WARNING)  # of our own code
warnings.setFormatter(_OneLine())
