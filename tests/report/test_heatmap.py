"""The heat map: which value or reason stands in which cell."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from invented import flat, sweep
from matplotlib.axes import Axes

from tmc_sweep.records import Status
from tmc_sweep.report.figures.cells import cells_of
from tmc_sweep.report.figures.figure import Figure
from tmc_sweep.report.figures.heatmap import heatmap
from tmc_sweep.report.tables import SweepTables

GRID = """
name: grid
base: {data: mnist, epochs: 60}
space: {lr: {grid_search: [1e-4, 1e-3, 1e-2]}, K: {grid_search: [1, 20]}}
seeds: 2
"""


def of(tables: SweepTables) -> Figure | None:
    return heatmap(tables, cells_of(tables))


def texts(axes: Axes) -> Mapping[tuple[str, str], str]:
    """What stands in each cell, by the tick labels of y and x."""
    xs, ys = ([label.get_text() for label in axis.get_ticklabels()] for axis in (axes.xaxis, axes.yaxis))
    return {(ys[int(text.get_position()[1])], xs[int(text.get_position()[0])]): text.get_text() for text in axes.texts}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> SweepTables:
    """lr = 1e-2 diverges, with K = 1 in one seed of two; K = 20 with lr = 1e-4 has 8 epochs."""

    def curve(config) -> np.ndarray:
        values = flat(lambda config: -90.0 - 1e3 * config.lr + config.K)(config)
        if config.lr == 1e-2 and (config.K == 20 or config.seed == 1):
            return np.r_[values[:5], np.nan]
        return values[:8] if (config.K, config.lr) == (20, 1e-4) else values

    return sweep(tmp_path_factory.mktemp("results"), GRID, curve)


@pytest.fixture(scope="module")
def drawn(tables: SweepTables) -> Axes:
    return of(tables).draw().axes[0]


def test_a_huge_value_is_short(tmp_path: Path):
    huge = sweep(tmp_path, GRID, flat(lambda config: -9.25e13 if config.K == 1 else -90.0, noise=0.0))
    assert max(map(len, " ".join(texts(of(huge).draw().axes[0]).values()).split())) <= len("−9.25e+13")


def test_each_cell_has_its_mean_and_spread_or_the_reason_why_not(tables: SweepTables, drawn: Axes):
    shown = texts(drawn)
    known = tables.summary.set_index(["K", "lr"])
    for k, lr in ((1, 1e-4), (1, 1e-3), (20, 1e-3)):
        row = known.loc[(k, lr)]
        assert shown[str(k), f"{lr:g}"] == f"−{-row['mean']:.2f}\n± {row['std_seeds']:.2f}"
    assert shown["1", "0.01"] == "diverged\n1 of 2 seeds"
    assert shown["20", "0.01"] == "diverged"
    assert shown["20", "0.0001"].endswith("\n8 of 50 ep.")


def test_diverged_cells_alone_are_hatched_and_the_best_alone_is_framed(drawn: Axes):
    middles = {
        patch: (round(patch.get_x() + patch.get_width() / 2), round(patch.get_y() + patch.get_height() / 2))
        for patch in drawn.patches
    }
    assert {middle for patch, middle in middles.items() if patch.get_hatch()} == {(2, 0), (2, 1)}
    assert [middle for patch, middle in middles.items() if not patch.get_fill()] == [(1, 1)]


def test_colour_follows_the_value_and_cells_without_one_have_none(drawn: Axes):
    filled = [patch for patch in drawn.patches if patch.get_fill()]
    light = {(round(p.get_x() + 0.47), round(p.get_y() + 0.46)): sum(p.get_facecolor()[:3]) for p in filled}
    white = {at for at, value in light.items() if value == 3}
    assert white == {(2, 0), (2, 1), (0, 1)}
    assert light[1, 0] < light[0, 0] < light[1, 1]  # −90, −89.1, −71


def test_the_caption_explains_every_sign_used(tables: SweepTables):
    caption = of(tables).caption
    for part in ("last 50 epochs", "ddof 1", "black frame", "Hatched", "fewer than 50 epochs (ep.)"):
        assert part in caption


def test_where_no_cell_has_enough_epochs_all_are_coloured_by_what_they_have(tmp_path):
    short = sweep(tmp_path, GRID, lambda config: np.full(3 + config.seed, -10.0 * config.K))
    axes = of(short).draw().axes[0]
    assert set(texts(axes).values()) == {"−10.00\n3 of 50 ep.", "−200.00\n3 of 50 ep."}
    assert all(sum(patch.get_facecolor()[:3]) < 3 for patch in axes.patches)


def test_failed_stopped_and_pending_cells_say_so(tmp_path):
    curve = lambda config: np.empty(0) if config.lr == 1e-4 else np.full(60, -1.0)  # noqa: E731
    tables = sweep(tmp_path, GRID, curve)
    status = tables.trials["status"].mask(tables.trials["lr"] == 1e-2, Status.STOPPED)
    summary = tables.summary.assign(mean=tables.summary["mean"].mask(tables.summary["lr"] == 1e-2))
    shown = texts(of(replace(tables, trials=tables.trials.assign(status=status), summary=summary)).draw().axes[0])
    assert (shown["1", "0.0001"], shown["1", "0.01"]) == ("no epochs\nyet", "stopped\nat epoch 60")


def test_a_cell_far_below_the_others_has_the_lowest_colour_and_the_bar_an_arrow(tmp_path):
    far = of(sweep(tmp_path / "far", GRID, flat(lambda config: -1e4 if config.lr == 1e-4 else -90.0 - config.K)))
    near = of(sweep(tmp_path / "near", GRID, flat(lambda config: -90.0 - config.K)))
    assert [figure.draw().axes[-1]._colorbar.extend for figure in (far, near)] == ["min", "neither"]
    assert ["(arrow)" in figure.caption for figure in (far, near)] == [True, False]


def test_other_fields_get_a_map_each_on_one_scale(tmp_path):
    text = GRID.replace("space: {", "space: {objective: {grid_search: [iwae, tmc]}, ")
    figure = of(sweep(tmp_path, text, flat(lambda config: -90.0)))
    *maps, bar = figure.draw().axes
    assert [axes.get_title() for axes in maps] == ["iwae", "tmc"]
    assert bar.get_ylabel() == "nats per image"


def test_any_two_searched_numbers_make_a_map(tmp_path):
    space = "{batch_size: {grid_search: [64, 128]}, K: {grid_search: [2, 3]}}"
    text = f"{{name: n, base: {{data: mnist, epochs: 60}}, space: {space}}}"
    figure = of(sweep(tmp_path, text, flat(lambda config: -90.0, noise=0.1)))
    assert figure.title == "Test objective over K and batch_size"
    assert re.search("\n± 0.(09|10|11)$", texts(figure.draw().axes[0])["2", "64"])  # one seed: the std over epochs
    assert "std over these epochs" in figure.caption


@pytest.mark.parametrize(
    "space",
    [
        "{lr: {grid_search: [1e-3, 1e-2]}}",
        "{objective: {grid_search: [iwae, tmc]}, lr: {grid_search: [1e-3, 1e-2]}}",
        "{lr: {loguniform: [1e-4, 1e-2]}, K: {choice: [1, 5]}}, search: {algorithm: random, num_samples: 6}",
    ],
)
def test_there_is_no_map_where_there_is_no_grid_of_two_numbers(tmp_path, space: str):
    text = f"{{name: n, base: {{data: mnist, epochs: 60}}, space: {space}}}"
    assert of(sweep(tmp_path, text, flat(lambda config: -90.0))) is None


def test_there_is_no_map_before_the_first_epoch(tmp_path):
    assert of(sweep(tmp_path, GRID, lambda config: np.empty(0))) is None
