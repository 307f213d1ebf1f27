"""The article's numbers and claims beside sweeps, as an appendix of their report."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tmc_sweep.article.claims import claims, judgements
from tmc_sweep.article.comparison import QUARTILES, Comparison, compare_published
from tmc_sweep.article.conditions import matches
from tmc_sweep.article.published import published
from tmc_sweep.article.text import basis, bounds, location, printed, with_interval
from tmc_sweep.article.verdicts import Verdict
from tmc_sweep.records import STATISTICS, SUMMARY_COLUMNS
from tmc_sweep.report.html import render
from tmc_sweep.report.page import Appendix
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.report.views import Header, Table, TableCell, number_cell
from tmc_sweep.store.read import plain_rows
from tmc_sweep.text import decimals

_HERE = Path(__file__).parent
_MEANING = {column.name: column.meaning for column in SUMMARY_COLUMNS}
_CITED = (
    "The article: Kviman, Nilsson and Larsson, “[Re] Tensor Monte Carlo: Particle Methods for the GPU Era”, "
    "ReScience C 6.2 (#5), 2020."
)


def appendix(sweeps: Sequence[SweepTables]) -> tuple[Appendix, ...]:
    """The appendix for a page of these sweeps, about those with cells of the article; () if none has any."""
    own = [sweep for sweep in sweeps if has_cells(sweep)]
    if not own:
        return ()
    numbers = {sweep.name: tables for sweep in own if (tables := _tables(sweep))}
    sources = {source for tables in numbers.values() for source in tables}
    judged = judgements(own)
    values = {
        "numbers": {name: tables.values() for name, tables in numbers.items()},
        "notes": {source: note for source, note in published().notes.items() if source in sources},
        "judgements": judged,
        "verdicts": Counter(each.verdict for each in judged),
        "several": len(sweeps) > 1,
        "over": _names(own, sweeps),
        "Verdict": Verdict,
        **{each.__name__: each for each in (basis, bounds, location, with_interval)},
    }
    head, body = (render(_HERE / name, **values) for name in ("head.html.j2", "appendix.html.j2"))
    return (Appendix(head, body, _CITED, (_HERE / "appendix.css").read_text()),)


def has_cells(sweep: SweepTables) -> bool:
    """Whether the sweep has a cell in the setting of one of the article's claims or numbers."""
    settings = [*(claim.where for claim in claims()), *(number.cell for number in published().numbers)]
    cells = plain_rows(sweep.trials.drop_duplicates("cell_id"))
    return any(matches(setting, cell) for cell in cells for setting in settings)


def _names(own: Sequence[SweepTables], sweeps: Sequence[SweepTables]) -> str:
    if len(own) < len(sweeps):
        return ", ".join(sweep.name for sweep in own)
    return "all of these sweeps" if len(own) > 1 else "this sweep"


def _tables(sweep: SweepTables) -> dict[str, Table]:
    """The published numbers beside the sweep's, a table for each table or section of the article."""
    found: dict[str, list[Comparison]] = {}
    for each in compare_published(sweep):
        found.setdefault(each.number.source, []).append(each)
    return {source: beside(source, comparisons) for source, comparisons in found.items()}


def beside(source: str, comparisons: Sequence[Comparison]) -> Table:
    """A table of the numbers of one table or section of the article beside ours; all are of one metric."""
    timed = comparisons[0].number.metric == "epoch_seconds"
    digits, spreads = (2, QUARTILES) if timed else (3, STATISTICS[1:])
    what = "seconds of an epoch" if timed else "nats per image"
    heads = (
        Header("cell, and where it is not like for like"),
        Header("published", f"as printed, {what}", numeric=True),
        Header("ours", "median over epochs" if timed else _MEANING["mean"], numeric=True),
        Header("difference", "ours less the article's, or less the nearest end of its range", numeric=True),
        *(Header(name, "over epochs" if timed else _MEANING[name], numeric=True) for name in spreads),
    )
    return Table(f"{source}: {what}", heads, tuple(_row(each, digits, spreads) for each in comparisons))


def _row(each: Comparison, digits: int, spreads: Sequence[str]) -> tuple[TableCell, ...]:
    where = location(each.where)
    return (
        TableCell(where, where, each.departures),
        number_cell(each.number.value, printed(each.number)),
        number_cell(each.value, each.why or decimals(each.value, digits)),
        number_cell(each.difference, decimals(each.difference, digits, "+")),
        *(number_cell(each.spreads.get(name), decimals(each.spreads.get(name), digits)) for name in spreads),
    )
