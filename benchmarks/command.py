"""What the benchmarks' commands share: options, one torch thread, and a table or JSON."""

import argparse
import json
from collections.abc import Mapping, Sequence

import torch

ARCHITECTURES = ("small", "large")
OBJECTIVES = ("iwae", "tmc")


def parser(description: str | None, rounds: int | None = 5) -> argparse.ArgumentParser:
    """The options that all have; `rounds` is the default number of timed runs, None where there is no choice."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", action="store_true", help="print one JSON object, and nothing else on stdout")
    if rounds is not None:
        options.add_argument("--rounds", type=int, default=rounds, help="timed runs of each case, of which the median")
    return options


def add_cases(
    options: argparse.ArgumentParser,
    *,
    architecture: Sequence[str] = (),
    objective: Sequence[str] = (),
    K: Sequence[int] = (),
) -> None:
    """Options for what a benchmark goes through, with their defaults; those without a default are not offered."""
    if architecture:
        options.add_argument("--architecture", nargs="+", choices=ARCHITECTURES, default=[*architecture])
    if objective:
        options.add_argument("--objective", nargs="+", choices=OBJECTIVES, default=[*objective])
    if K:
        options.add_argument("--K", nargs="+", type=int, default=[*K], help="samples per latent")


def parse(options: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options given, `sys.argv`'s by default; from here on one thread, and the same noise in each run."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return options.parse_args(arguments)


def show(rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    """Print the rows, whose keys are the columns."""
    if as_json:
        print(json.dumps({"rows": rows}))
        return
    cells = [[*rows[0]], *([text(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def text(value: object) -> str:
    """A table's cell: numbers to three digits, nothing for None."""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}"
    return "" if value is None else str(value)
