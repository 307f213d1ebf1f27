"""The measured part of docs/performance.md, between two markers; what is around them is written by hand."""

from collections.abc import Callable, Mapping, Sequence
from textwrap import fill
from typing import Any, NamedTuple

from benchmarks.command import text
from benchmarks.goals import goal_rows
from benchmarks.step import tmc_over_iwae
from benchmarks.studies.search import tpe_over_random
from benchmarks.suite import SUITE, Measured, Rows

BEGIN = "<!-- benchmarks: from here on written by `python -m benchmarks` -->\n"
END = "<!-- benchmarks: end -->\n"


class Derived(NamedTuple):
    """A table that follows from a benchmark's rows."""

    name: str
    about: str
    rows: Callable[[Rows], Rows]


DERIVED = {
    "step": Derived("tmc_over_iwae", "What TMC costs over IWAE, ours over ours:", tmc_over_iwae),
    "search": Derived("tpe_over_random", "The searches of each objective together:", tpe_over_random),
}


def replace_section(page: str, section: str, begin: str = BEGIN, end: str = END) -> str:
    """The page with the section between its markers, and nothing else changed."""
    before, begun, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise SystemExit(f"the page must hold the lines {begin.strip()} and {end.strip()} in this order: add them")
    return f"{before}{begin}\n{section}\n{end}{after}"


def section(machine: Mapping[str, Any], measured: Mapping[str, Measured]) -> str:
    """Where and when, the goals, and a table for each benchmark."""
    parts = [_where(machine, measured), "## Goals\n\n" + table(goal_rows(_all_rows(measured)))]
    for benchmark in SUITE:
        if benchmark.name in measured:
            result = measured[benchmark.name]
            parts += [f"## {benchmark.title}", f"```sh\n{result['command']}\n```", wrapped(benchmark.about)]
            parts.append(table(result["rows"]))
            parts += _derived(benchmark.name, result["rows"])
    return "\n\n".join(parts) + "\n"


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows as Markdown; bytes as MiB."""
    names = [*rows[0]]
    lines = [[_heading(name) for name in names], ["---"] * len(names)]
    lines += [[_cell(name, row[name]) for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _all_rows(measured: Mapping[str, Measured]) -> dict[str, Rows]:
    rows = {name: result["rows"] for name, result in measured.items()}
    return {**rows, **{derived.name: derived.rows(rows.get(of, [])) for of, derived in DERIVED.items()}}


def _derived(benchmark: str, rows: Rows) -> list[str]:
    if benchmark not in DERIVED or not (derived := DERIVED[benchmark].rows(rows)):
        return []
    return [DERIVED[benchmark].about, table(derived)]


def _where(machine: Mapping[str, Any], measured: Mapping[str, Measured]) -> str:
    dates = sorted({result["date"] for result in measured.values()})
    minutes = sum(result["seconds"] for result in measured.values()) / 60
    versions = f"Python {machine['python']}, torch {machine['torch']}, Ray {machine['ray']}"
    hardware = f"{machine['cores']} cores of {machine['cpu']}"
    return wrapped(
        f"`python -m benchmarks` measured this in {minutes:.0f} min ({', '.join(dates)}) on {hardware}, with "
        f"{versions}, one torch thread."
    )


def wrapped(prose: str) -> str:
    """Prose in lines of a page."""
    return fill(prose, 120, break_long_words=False, break_on_hyphens=False)


def _heading(name: str) -> str:
    return name.replace("_bytes", "_MiB").replace("_", " ")


def _cell(name: str, value: object) -> str:
    return text(value / 2**20 if name.endswith("_bytes") and isinstance(value, int) else value)
