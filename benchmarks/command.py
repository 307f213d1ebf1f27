"""A benchmark's command: a function that gives rows, whose parameters are the options; it prints a table, or JSON.

    def rows(K: Ks = (5, 20), rounds: Rounds = 5) -> Iterator[Row]: ...

    main = command.of(rows)

A parameter is `Annotated` with its help, has a default, and takes several values where it is a sequence.
"""

import argparse
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

import torch

Architectures = Annotated[Sequence[Literal["small", "large"]], "the article's models"]
Objectives = Annotated[Sequence[Literal["iwae", "tmc"]], "bounds that are trained"]
Ks = Annotated[Sequence[int], "samples per latent"]
Rounds = Annotated[int, "timed runs of each case, of which the median"]

Rows = Iterable[Mapping[str, Any]]


def of(rows: Callable[..., Rows], derived: Callable[[Sequence[Any]], Rows] | None = None) -> Callable[..., None]:
    """The command that shows these rows, on one thread and with the same noise in each run.

    `derived` makes a second table of them, which JSON leaves out. The command takes arguments, by default `sys.argv`'s.
    """

    def main(arguments: Sequence[str] | None = None) -> None:
        given = vars(_parser(rows).parse_args(arguments))
        as_json = given.pop("json")
        torch.set_num_threads(1)
        torch.manual_seed(0)
        found = list(rows(**given))
        if not found:
            raise SystemExit("a benchmark must have a case, but got none: leave out the option without values")
        if as_json:
            print(json.dumps({"rows": found}))
            return
        _show(found)
        if derived and (compared := list(derived(found))):
            print()
            _show(compared)

    return main


def _parser(rows: Callable[..., Rows]) -> argparse.ArgumentParser:
    described = sys.modules[rows.__module__].__doc__
    parser = argparse.ArgumentParser(description=described, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object, and nothing else on stdout")
    for name, parameter in inspect.signature(rows).parameters.items():
        kind, about = get_args(parameter.annotation)
        several = get_origin(kind) is Sequence
        each = get_args(kind)[0] if several else kind
        choices = get_args(each) or None
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            nargs="*" if several else None,
            type=type(choices[0]) if choices else each,
            choices=choices,
            default=parameter.default,
            help=about,
        )
    return parser


def _show(rows: Sequence[Mapping[str, object]]) -> None:
    """Print the rows, whose keys are the columns."""
    cells = [[*rows[0]], *([text(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def text(value: object) -> str:
    """A table's cell: numbers to three digits, nothing for None."""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}"
    return "" if value is None else str(value)
