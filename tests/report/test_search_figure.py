"""What a search came to: which mark stands where, and what is known of cells without a statistic."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from invented import flat, sweep
from matplotlib.axes import Axes

from tmc_sweep.config import TrialConfig
from tmc_sweep.records import Status
from tmc_sweep.report.figures.cells import cells_of
from tmc_sweep.report.figures.figure import Figure, svg
from tmc_sweep.report.figures.search import outcomes, search
from tmc_sweep.report.figures.style import style
from tmc_sweep.report.tables import SweepTables

TEXT = """
name: some
base: {data: digits, epochs: 60}
space: {lr: {loguniform: [1e-4, 1e-1]}, K: {randint: [1, 50]}, objective: {choice: [iwae, tmc]}}
seeds: 2
search: {algorithm: random, num_samples: 12, seed: 1}
"""
STOPPED_BELOW, LOST_ABOVE = 3e-4, 3e-2  # lr


def level(config: TrialConfig) -> float:
    """Those that are stopped are above all others then."""
    return -30.0 - np.log10(config.lr / 3e-3) ** 2 if config.lr > STOPPED_BELOW else -10.0


def curve(config: TrialConfig) -> np.ndarray:
    values = flat(level, noise=0.0)(config)
    if config.lr > LOST_ABOVE and config.seed == 0:
        return np.r_[values[:5], np.nan]
    return values[:20] if config.lr < STOPPED_BELOW else values


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> SweepTables:
    known = lambda config: {"status": Status.STOPPED} if config.lr < STOPPED_BELOW else {}  # noqa: E731
    return sweep(tmp_path_factory.mktemp("results"), TEXT, curve, known=known)


@pytest.fixture(scope="module")
def panels(tables: SweepTables) -> dict[str, Axes]:
    """By the label of the x-axis."""
    return {axes.get_xlabel(): axes for axes in of(tables).draw().axes}


def of(tables: SweepTables) -> Figure | None:
    return search(tables, cells_of(tables))


def marks(axes: Axes) -> list[tuple[float, float]]:
    """Where every mark but the best's stands, from left to right."""
    return sorted((x, y) for points in axes.collections for x, y in points.get_offsets().tolist())


def test_outcomes_are_in_the_order_of_the_trial_table_and_of_one_kind_each(tables: SweepTables):
    found = outcomes(tables, cells_of(tables))
    lrs = [outcome.cell.fields["lr"] for outcome in found]
    assert lrs == tables.trials["lr"].iloc[::2].tolist() != sorted(lrs)
    assert {outcome.kind for outcome in found} == {"known", "stopped", "lost"}
    for outcome, lr in zip(found, lrs, strict=True):
        kind = "stopped" if lr < STOPPED_BELOW else "lost" if lr > LOST_ABOVE else "known"
        assert outcome.kind == kind
        here = tables.epochs.query(f"cell_id == '{outcome.cell.cell_id}'").groupby("trial_id")["test_objective"]
        expected = {"known": here.apply(lambda own: own.iloc[-50:].mean()).mean(), "stopped": here.mean().mean()}
        assert outcome.value == pytest.approx(expected.get(kind, np.nan), nan_ok=True)


def test_a_line_is_the_best_statistic_so_far_whatever_stopped_cells_had(tables: SweepTables, panels: dict[str, Axes]):
    known = [o.value if o.kind == "known" else -np.inf for o in outcomes(tables, cells_of(tables))]
    line, best = panels["cell, in the order chosen"].lines
    assert line.get_xdata().tolist() == list(range(1, 13))
    shown = np.nan_to_num(line.get_ydata(), nan=-np.inf)
    assert shown.tolist() == [max(known[: i + 1]) for i in range(len(known))]
    assert panels["K"].get_ylim()[1] > max(y for _, y in marks(panels["K"])) > max(known)
    assert best.get_xydata().tolist() == [[1 + int(np.argmax(known)), max(known)]]


def test_each_field_has_a_panel_with_a_mark_per_cell_at_its_value(tables: SweepTables, panels: dict[str, Axes]):
    assert list(panels) == ["cell, in the order chosen", "objective", "K", "lr"]
    heights = [y for _, y in marks(panels["cell, in the order chosen"])]
    for name in ("K", "lr"):
        values = [outcome.cell.fields[name] for outcome in outcomes(tables, cells_of(tables))]
        assert marks(panels[name]) == sorted(zip(values, heights, strict=True))
    assert [panels[name].get_xscale() for name in ("K", "lr")] == ["linear", "log"]
    assert [text.get_text() for text in panels["lr"].get_xticklabels()][1:-1] == ["1e-4", "0.001", "0.01"]
    assert [text.get_text() for text in panels["objective"].get_xticklabels()] == ["iwae", "tmc"]
    objectives = [outcome.cell.fields["objective"] for outcome in outcomes(tables, cells_of(tables))]
    at = [float(round(x)) for x, _ in marks(panels["objective"])]
    assert at == sorted(float(objective == "tmc") for objective in objectives)


def test_few_numbers_have_an_axis_too(tmp_path: Path):
    few = TEXT.replace("num_samples: 12", "num_samples: 6").replace("{randint: [1, 50]}", "{choice: [5, 6, 20]}")
    shown = sweep(tmp_path, few, flat(level))
    panels = {axes.get_xlabel(): axes for axes in of(shown).draw().axes}
    assert [panels[name].get_xscale() for name in ("K", "lr")] == ["linear", "log"]
    for name in ("K", "lr"):
        assert [x for x, _ in marks(panels[name])] == sorted(shown.trials[name].iloc[::2])


def test_ticks_are_round_and_whole_where_numbers_are(tmp_path: Path):
    text = TEXT.replace("{loguniform: [1e-4, 1e-1]}", "{choice: [1e-3, 3e-3]}").replace("[1, 50]", "[1, 3]")
    panels = {axes.get_xlabel(): axes for axes in of(sweep(tmp_path, text, flat(level))).draw().axes}
    for name, ticks in {"K": [1, 2], "lr": [0.001, 0.002, 0.003]}.items():
        low, high = panels[name].get_xlim()
        assert [x for x in panels[name].get_xticks() if low <= x <= high] == pytest.approx(ticks)


def test_what_is_far_below_or_lost_stands_at_the_foot_of_the_axis(tmp_path: Path):
    far = 5e-3
    shown = sweep(tmp_path, TEXT, flat(lambda config: -1e9 if config.lr > far else level(config), noise=0.0))
    axes = of(shown).draw().axes[0]
    low, high = axes.get_ylim()
    assert -40 < low < high < 0
    lrs = shown.trials["lr"].iloc[::2].tolist()
    assert {i for i, y in marks(axes) if y == low} == {i for i, lr in enumerate(lrs, 1) if lr > far}


def test_cells_that_were_stopped_widen_the_axis(tmp_path: Path):
    text = TEXT.replace("loguniform: [1e-4, 1e-1]", "uniform: [1, 9]")
    known = lambda config: {"status": Status.STOPPED} if config.lr < 7 else {}  # noqa: E731
    falling = lambda config: np.full(60 if config.lr >= 7 else 9, config.lr - 40.0)  # noqa: E731
    shown = sweep(tmp_path, text, falling, known=known)
    axes = of(shown).draw().axes[0]
    assert axes.get_ylim()[0] < shown.trials["lr"].min() - 40


def test_labels_of_narrow_panels_do_not_meet(tmp_path: Path):
    wide = TEXT.replace("[1e-4, 1e-1]", "[3e-5, 1]").replace(
        "space: {", "space: {weight_norm: {choice: [true, false]}, "
    )
    with style("search"):
        drawn = of(sweep(tmp_path, wide, flat(level))).draw()
        drawn.draw_without_rendering()
    (axes,) = [axes for axes in drawn.axes if axes.get_xlabel() == "lr"]
    low, high = axes.get_xlim()
    labels = [label for label in axes.get_xticklabels() if low <= label.get_position()[0] <= high]
    boxes = [label.get_window_extent() for label in labels]
    assert len(boxes) >= 2
    assert all(right.x0 - left.x1 > 6 for left, right in pairwise(boxes))  # pixels of 1/100 inch


def test_the_best_is_the_lowest_where_less_is_better(tables: SweepTables):
    lowest = replace(tables, statistic=tables.statistic.model_copy(update={"mode": "min"}))
    line, best = of(lowest).draw().axes[0].lines
    known = tables.summary["mean"].dropna()
    assert best.get_ydata()[0] == np.nanmin(line.get_ydata()) == line.get_ydata()[-1] == known.min()


def test_the_caption_names_the_best_cell_and_what_is_hollow(tables: SweepTables):
    caption = of(tables).caption
    best = tables.summary.loc[tables.summary["mean"].idxmax()]
    assert f"Best: {best['objective']} K={best['K']} lr={best['lr']:.3g}, −{-best['mean']:.2f}." in caption
    n_stopped = sum(outcome.kind == "stopped" for outcome in outcomes(tables, cells_of(tables)))
    assert f"Hollow: {n_stopped} cell{'s' * (n_stopped > 1)} stopped early" in caption


def test_cells_that_have_not_ended_are_counted_and_not_drawn(tmp_path: Path):
    going = sweep(tmp_path, TEXT, lambda config: flat(level)(config)[: 60 if config.lr < 3e-3 else 7])
    ended = set(going.trials.loc[going.trials["lr"] < 3e-3, "cell_id"])
    figure = of(going)
    assert len(marks(figure.draw().axes[0])) == len(ended)
    assert f"{12 - len(ended)} cells not finished yet." in figure.caption


def test_the_same_tables_give_the_same_bytes(tables: SweepTables, tmp_path: Path):
    known = lambda config: {"status": Status.STOPPED} if config.lr < STOPPED_BELOW else {}  # noqa: E731
    again = sweep(tmp_path, TEXT, curve, known=known)
    assert svg(of(tables)) == svg(of(again))


@pytest.mark.parametrize(
    ("text", "epochs"),
    [
        ("{name: n, base: {data: digits, epochs: 60}, space: {K: {grid_search: [1, 5]}}}", 60),
        (TEXT, 0),
        (TEXT.replace("num_samples: 12", "num_samples: 1"), 60),
    ],
)
def test_there_is_none_of_a_grid_nor_of_fewer_than_two_cells(tmp_path: Path, text: str, epochs: int):
    assert of(sweep(tmp_path, text, flat(level, epochs=epochs))) is None
