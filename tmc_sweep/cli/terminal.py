"""The only code by which commands write to the terminal: no text of a table, a file or a server does anything there.

Control characters, and those that turn text round or take no room, are shown as Python escapes them (`visible`); markup
and emoji codes are shown as they are. What is meant as one line stays one line.

`show` is for results, on stdout; `tell` for everything else, on stderr.
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
    """A console of rich's that takes every text as text: no markup, no emoji codes, no colours for numbers."""
    return Console(stderr=stderr, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False)


messages = console(stderr=True, soft_wrap=True)


def show(*lines: object) -> None:
    """Print each on a line of stdout."""
    for each in lines:
        typer.echo(visible(each))


def show_text(text: str, *, err: bool = False) -> None:
    """Print a text of many lines on stdout or, with `err`, on stderr."""
    typer.echo(visible(text, also="\n\t"), nl=False, err=err)


def tell(*lines: object, to: Console | None = None) -> None:
    """Print each on a line of stderr, or of the console `to`."""
    for each in lines:
        (to or messages).print(line(each), soft_wrap=True)


def line(text: object) -> Text:
    """A line of text, to be drawn by rich."""
    return Text(visible(text))


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[str]) -> "Table":
    """A table, to be drawn by rich; columns whose header is in `texts` are aligned left, all others right."""
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in headers:
        side: JustifyMethod = "left" if name in texts else "right"
        drawn.add_column(Text(visible(name, also="\n")), justify=side, no_wrap=True)
    for row in rows:
        drawn.add_row(*map(line, row))
    return drawn


def bar(text: str, on: Console) -> "Progress":
    """A progress bar of rich's that goes away at its end; the text before it is a format, `{task.description}`, say."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(TextColumn(text, markup=False), BarColumn(), TimeRemainingColumn(), console=on, transient=True)


class _OneLine(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return visible(super().formatMessage(record))


class _Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        show_text(f"{self.format(record)}\n", err=True)


warnings = _Warnings(logging.WARNING)  # prints warnings that our own code logs
warnings.setFormatter(_OneLine())
