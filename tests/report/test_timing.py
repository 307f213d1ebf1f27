"""Seconds per epoch."""

import numpy as np
from invented import flat, sweep

from tmc_sweep.report.figures.cells import cells_of
from tmc_sweep.report.figures.figure import Figure
from tmc_sweep.report.figures.timing import quartiles, timing
from tmc_sweep.report.tables import SweepTables

TEXT = """
name: timing
base: {data: mnist, epochs: 10}
space: {objective: {grid_search: [iwae, tmc]}, K: {grid_search: [20, 50]}}
seeds: 2
"""


def tables(folder, **options) -> SweepTables:
    seconds = lambda config: config.K * (1.25 if config.objective == "tmc" else 1.0)  # noqa: E731
    return sweep(folder, TEXT, flat(lambda config: -90.0, epochs=10), seconds=seconds, **options)


def of(tables: SweepTables) -> Figure | None:
    return timing(tables, cells_of(tables))


def test_bars_are_medians_and_lines_the_middle_half(tmp_path):
    measured = tables(tmp_path)
    (axes,) = of(measured).draw().axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["iwae K=20", "tmc K=20", "iwae K=50", "tmc K=50"]
    for (_, rows), bar, line in zip(
        measured.epochs.groupby(["K", "objective"])["epoch_seconds"],
        axes.patches,
        axes.collections[0].get_segments(),
        strict=True,
    ):
        assert bar.get_width() == np.median(rows)
        assert line[:, 0].tolist() == np.percentile(rows, [25, 75]).tolist()
    assert axes.get_xlim()[0] == 0
    assert axes.texts[0].get_text() == "20.4"


def test_one_slow_epoch_moves_no_bar(tmp_path):
    measured = tables(tmp_path)
    before = quartiles(measured, cells_of(measured))["median"]
    measured.epochs.loc[0, "epoch_seconds"] = 1e6
    assert quartiles(measured, cells_of(measured))["median"].equals(before)


def test_packs_of_different_sizes_stand_by_the_names(tmp_path):
    measured = tables(tmp_path, known=lambda config: {"pack_size": 2 if config.K == 20 else 1})
    (axes,) = of(measured).draw().axes
    names = [label.get_text().replace("\u00a0", " ") for label in axes.get_yticklabels()]
    assert names[1:3] == ["tmc K=20 (pack of 2)", "iwae K=50 (pack of 1)"]
    assert "Packs of 1–2 trials train together" in of(measured).caption


def test_the_caption_says_what_else_ran_on_the_machine_and_on_the_gpu(tmp_path):
    """All at the same time, in packs of two."""
    measured = tables(tmp_path, known=lambda config: {"pack_size": 2, "gpu": 0.25 if config.K == 20 else 1.0})
    assert "Up to 4 processes trained at once on a machine" in of(measured).caption
    assert "had 0.25 of a GPU each" in of(measured).caption
    alone = tables(tmp_path / "alone", known=lambda config: {"host": config.trial_id})
    assert "at once" not in of(alone).caption
    assert "GPU" not in of(alone).caption


def test_the_caption_names_the_machine(tmp_path):
    assert "Measured on cpu, torch threads: 1." in of(tables(tmp_path)).caption


def test_there_is_none_before_the_first_epoch(tmp_path):
    assert of(sweep(tmp_path, TEXT, lambda config: np.empty(0))) is None
