"""Learning curves: what is drawn, in which panel and colour, and what the caption admits."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from invented import Curve, flat, sweep
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from tmc_sweep.report.figures.cells import cells_of
from tmc_sweep.report.figures.curves import curves
from tmc_sweep.report.figures.figure import Figure
from tmc_sweep.report.figures.style import PALE, style
from tmc_sweep.text import wrapped

GRID = """
name: grid
base: {data: mnist, epochs: 60}
space: {K: {grid_search: [1, 5, 20]}, lr: {grid_search: [1e-3, 1e-2]}}
seeds: 2
"""


def figure(folder, text: str, curve: Curve) -> Figure:
    tables = sweep(folder, text, curve)
    return curves(tables, cells_of(tables))


@cache
def drawing(figure: Figure) -> Drawing:
    """Each is drawn once."""
    return figure.draw()


def panels(figure: Figure) -> list[Axes]:
    return drawing(figure).axes


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in drawing(figure).legends[0].get_texts()]


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Figure:
    """K × lr; with K = 5 and lr = 1e-2 seed 1 diverges in epoch 30."""

    def curve(config) -> np.ndarray:
        values = flat(lambda config: -90.0 - config.K)(config)
        return np.r_[values[:29], np.nan] if (config.K, config.lr, config.seed) == (5, 1e-2, 1) else values

    return figure(tmp_path_factory.mktemp("grid"), GRID, curve)


def test_a_panel_for_each_k_and_a_colour_for_each_lr(grid: Figure):
    assert [axes.get_title() for axes in panels(grid)] == ["K=1", "K=5", "K=20"]
    lines = [[(line.get_label(), line.get_color()) for line in axes.lines[:2]] for axes in panels(grid)]
    assert [[label for label, _ in drawn] for drawn in lines] == [
        [f"K={k} lr={lr}" for lr in ("0.001", "0.01")] for k in (1, 5, 20)
    ]
    assert len({tuple(colour for _, colour in drawn) for drawn in lines}) == 1
    assert legend(grid) == ["lr=0.001", "lr=0.01", "diverged"]
    assert {axes.get_ylim() for axes in panels(grid)} == {panels(grid)[0].get_ylim()}


def test_a_line_is_the_seeds_mean_and_the_band_one_std_around_it(tmp_path):
    values = {0: [-3.0, -2.0], 1: [-5.0, -1.0], 2: [-4.0, -3.0]}
    text = "{name: one, base: {data: digits, epochs: 2}, seeds: 3}"
    (axes,) = panels(figure(tmp_path, text, lambda config: np.array(values[config.seed])))
    (line,), (band,) = axes.lines, axes.collections
    assert line.get_xydata().tolist() == [[1, -4], [2, -2]]
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices.tolist()}
    assert corners == {(1, -5), (1, -3), (2, -3), (2, -1)}


def test_a_diverged_seed_is_a_cross_at_the_end_of_its_cells_line(grid: Figure):
    (cross,) = [line for axes in panels(grid) for line in axes.lines if line.get_marker() == "X"]
    line = next(line for line in panels(grid)[1].lines if line.get_label() == "K=5 lr=0.01")
    assert cross.get_xdata().tolist() == [30]
    assert line.get_xdata()[-1] == 29
    assert cross.get_ydata()[0] == line.get_ydata()[-1]
    assert "A cross marks where a seed of the cell diverged" in grid.caption


def test_crosses_without_a_line_do_not_hide_one_another(tmp_path):
    at_once = figure(tmp_path, GRID, lambda config: np.array([np.nan]))
    for axes in panels(at_once):
        crosses = {tuple(line.get_xydata()[0]) for line in axes.lines if line.get_marker() == "X"}
        assert len(crosses) == 2
        assert all(axes.get_ylim()[0] <= y < axes.get_ylim()[1] for _, y in crosses)


def test_the_caption_names_the_only_cell(tmp_path):
    alone = figure(tmp_path, "name: alone\nbase: {data: mnist, K: 5, epochs: 9}", lambda config: np.full(9, -90.0))
    assert " Cell: mnist tmc small K=5 lr=0.001." in alone.caption


def test_the_caption_names_what_cells_share_the_seeds_and_what_the_axis_leaves_out(grid: Figure):
    assert "All cells: mnist tmc small." in grid.caption
    assert "mean over 2 seeds" in grid.caption
    assert "until epoch 5 at most" in grid.caption


def test_a_single_cell_has_one_line_with_its_usual_fields(tmp_path):
    single = figure(tmp_path, "{name: one, base: {data: digits, epochs: 1}}", lambda config: np.array([-30.0]))
    (axes,) = panels(single)
    assert axes.lines[0].get_xydata().tolist() == [[1, -30]]
    assert not axes.collections
    assert legend(single) == ["tmc small K=20 lr=0.001"]
    assert "One seed." in single.caption


def test_of_many_cells_that_are_no_grid_the_best_are_coloured(tmp_path):
    text = """
name: random
base: {data: digits, epochs: 60}
space: {lr: {loguniform: [1e-4, 1e-2]}}
search: {algorithm: random, num_samples: 12}
"""
    best = figure(tmp_path, text, flat(lambda config: -30.0 + 1000 * config.lr, noise=0.0))
    (axes,) = panels(best)
    lines = sorted(axes.lines, key=lambda line: -line.get_ydata()[-1])
    assert [line.get_color() == PALE for line in lines] == [False] * 6 + [True] * 6
    assert [line.get_color() == PALE for line in axes.lines] == [True] * 6 + [False] * 6  # the pale ones behind
    assert set(legend(best)) == {line.get_label() for line in lines[:6]} | {"other cells"}


def test_names_have_three_digits_where_these_tell_cells_apart(tmp_path):
    text = "{{name: n, base: {{data: digits, epochs: 1}}, space: {{lr: {{grid_search: [{}]}}}}}}"
    for lrs, names in {
        "0.0123456, 0.0234567": ["lr=0.0123", "lr=0.0235"],
        "0.0123456, 0.0123467": ["lr=0.0123456", "lr=0.0123467"],
    }.items():
        tables = sweep(tmp_path / lrs, text.format(lrs), lambda _: np.array([-1.0]))
        assert [cell.label for cell in cells_of(tables).all] == names
        assert legend(curves(tables, cells_of(tables))) == names


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("K=5 lr=0.001", 12, "K=5 lr=0.001"),
        ("K=5 lr=0.001", 11, "K=5\nlr=0.001"),
        ("12-4 proposal=nonfactorised", 19, "12-4 proposal=\nnonfactorised"),
        ("one\ntwo three", 8, "one\ntwo\nthree"),
        ("", 8, ""),
    ],
)
def test_long_words_break_after_a_sign(text: str, width: int, lines: str):
    assert wrapped(text, width) == lines


def test_the_objective_has_the_colours_where_it_is_compared(tmp_path):
    text = """
name: table1
base: {data: mnist, epochs: 60}
space: {objective: {grid_search: [iwae, tmc]}, architecture: {grid_search: [small, large]}}
"""
    table1 = figure(tmp_path, text, flat(lambda config: -93.0))
    assert [axes.get_title() for axes in panels(table1)] == ["large", "small"]
    assert legend(table1) == ["iwae", "tmc"]


def test_with_two_fields_of_panels_each_column_has_its_own_axis(tmp_path):
    text = GRID.replace("space: {", "space: {objective: {grid_search: [iwae, tmc]}, ")
    drawn = figure(tmp_path, text, flat(lambda config: -90.0 if config.lr == 1e-3 else -300.0))
    axes = panels(drawn)
    assert [panel.get_title() for panel in axes] == [f"K={k} lr={lr}" for k in (1, 5, 20) for lr in ("0.001", "0.01")]
    assert all(panel.get_ylim() == axes[0].get_ylim() for panel in axes[::2])
    assert axes[1].get_ylim()[1] < axes[0].get_ylim()[0]
    assert "Each column of panels has an axis of its own." in drawn.caption


def test_columns_show_as_many_fields_as_there_is_room_for(tmp_path):
    text = """
name: wide
base: {data: digits, epochs: 3}
space:
  objective: {grid_search: [iwae, tmc]}
  architecture: {grid_search: [small, {latents: [16, 8, 4], q_hidden: [64, 32, 16], p_hidden: [32, 16, 8]}]}
  init: {grid_search: [glorot_uniform, torch]}
  proposal: {grid_search: [factorised, nonfactorised]}
"""
    with style("curves"):
        drawn = figure(tmp_path, text, lambda config: np.array([-3.0, -2.0, -1.0])).draw()
        drawn.draw_without_rendering()
    assert drawn.axes[0].get_gridspec().get_geometry() == (2, 4)
    titles = [axes.title.get_window_extent() for axes in drawn.axes]
    assert all(left.x1 < right.x0 for left, right in pairwise(titles) if left.x0 < right.x0)
    assert min(title.x0 for title in titles) >= 0
    assert max(title.x1 for title in titles) <= drawn.bbox.x1
    above, below = drawn.axes[0], drawn.axes[4]
    assert below.title.get_window_extent().y1 < above.get_window_extent().y0


def test_the_legend_reads_row_by_row(tmp_path):
    lrs = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1]
    space = f"{{lr: {{grid_search: {lrs}}}, K: {{grid_search: [1, 5]}}}}"
    text = f"{{name: n, base: {{data: mnist, epochs: 60}}, space: {space}}}"
    drawn = figure(tmp_path, text, flat(lambda config: -90.0)).draw()
    drawn.draw_without_rendering()
    places = {text.get_text(): text.get_window_extent() for text in drawn.legends[0].get_texts()}
    assert sorted(places, key=lambda name: (-round(places[name].y0), places[name].x0)) == [f"lr={lr:g}" for lr in lrs]


def test_a_cell_stopped_early_ends_in_a_bar(tmp_path):
    curve = lambda config: flat(lambda _: -90.0)(config)[: 20 if config.K == 1 else 60]  # noqa: E731
    known = lambda config: {"status": "stopped"} if config.K == 1 else {}  # noqa: E731
    tables = sweep(tmp_path, GRID, curve, known=known)
    drawn = curves(tables, cells_of(tables))
    bars = [line for line in panels(drawn)[0].lines if line.get_marker() == "|"]
    assert [bar.get_xdata().tolist() for bar in bars] == [[20], [20]]
    assert not [line for axes in panels(drawn)[1:] for line in axes.lines if line.get_marker() == "|"]
    assert legend(drawn)[-1] == "stopped early"
    assert "(2 of 6)" in drawn.caption


def test_before_the_first_epoch_it_says_so(tmp_path):
    nothing = figure(tmp_path, GRID, lambda config: np.empty(0))
    assert [text.get_text() for text in panels(nothing)[0].texts] == ["no epochs yet"]
    assert nothing.caption.endswith("No epochs yet.")
