"""Figures of what `analyse` computed: reconstructions and two-dimensional latents."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from invented import flat, sweep
from matplotlib.image import AxesImage

from tmc_sweep.records import CONFIG_COLUMNS
from tmc_sweep.registry import DATA_SETS
from tmc_sweep.report.figures.cells import cells_of
from tmc_sweep.report.figures.latents import latents
from tmc_sweep.report.figures.reconstructions import blocks, mosaic, reconstructions
from tmc_sweep.report.figures.style import style
from tmc_sweep.report.tables import SweepTables

TEXT = """
name: pictures
base: {data: digits, architecture: clustering, epochs: 60}
space: {objective: {grid_search: [iwae, tmc]}}
seeds: 2
"""


def of(folder: Path, text: str) -> SweepTables:
    return sweep(folder, text, flat(lambda config: -90.0 - config.K))


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> SweepTables:
    return of(tmp_path_factory.mktemp("results"), TEXT)


@pytest.fixture
def trained(once: SweepTables) -> SweepTables:
    """Its trials may be changed."""
    return replace(once, trials=once.trials.copy())


def shared(row: pd.Series) -> dict[str, object]:
    return {name: row[name] for name in ("trial_id", "cell_id", *(column.name for column in CONFIG_COLUMNS))}


def reconstructed(tables: SweepTables) -> SweepTables:
    """Image i of 20 is of class i % 10 and has the value i throughout; a reconstruction 100 more, and its seed."""
    size = DATA_SETS[tables.trials["data"].iloc[0]].n_features
    rows = [
        {
            **shared(row),
            "epoch": 60,
            "image": image,
            "label": image % 10,
            "shape": None,
            "original": bytes([image] * size),
            "reconstruction": bytes([100 + image + 50 * row["seed"]] * size),
        }
        for _, row in tables.trials.iterrows()
        for image in range(20)
    ]
    return replace(tables, reconstructions=pd.DataFrame(rows))


def values(images: np.ndarray) -> Sequence[Sequence[int]]:
    """The one value of each image of a block."""
    flat = images.reshape(*images.shape[:2], -1)
    assert (flat == flat[:, :, :1]).all()
    return flat[:, :, 0].tolist()


def test_originals_stand_above_what_each_cells_first_seed_makes_of_them(trained: SweepTables):
    tables = reconstructed(trained)
    rows = tables.reconstructions.query("seed == 0").sample(frac=1, random_state=0)
    first, second = blocks(rows, cells_of(tables).all)
    assert first.names == second.names == ("original", "iwae", "tmc")
    assert values(first.images) == [list(range(10)), *[list(range(100, 110))] * 2]
    assert values(second.images) == [list(range(10, 20)), *[list(range(110, 120))] * 2]
    assert first.images.shape == (3, 10, 8, 8)


def test_the_figure_shows_the_blocks_as_mosaics(trained: SweepTables):
    tables = reconstructed(trained)
    figure = reconstructions(tables, cells_of(tables))
    drawn = figure.draw()
    assert [[label.get_text() for label in axes.get_yticklabels()] for axes in drawn.axes] == [
        ["original", "iwae", "tmc"]
    ] * 2
    (image,) = [artist for artist in drawn.axes[1].get_children() if isinstance(artist, AxesImage)]
    shown = image.get_array()
    assert shown.shape == (3 * 10, 10 * 10)  # 8 pixels and a gap on each side
    assert (shown[11:19, 1:9] == 110).all()
    assert not shown[[10, 19]].any()
    assert "after 60 epochs" in figure.caption


def test_long_names_beside_rows_do_not_run_into_one_another(tmp_path):
    space = "objective: {grid_search: [iwae, tmc]}, weight_norm: {grid_search: [false, true]}, "
    space += "architecture: {grid_search: [{latents: [16, 2], q_hidden: [32, 32], p_hidden: [32, 32]}, small]}, "
    space += "proposal: {grid_search: [factorised, nonfactorised]}"
    tables = reconstructed(of(tmp_path, f"{{name: long, base: {{data: digits, epochs: 60}}, space: {{{space}}}}}"))
    with style("reconstructions"):
        drawn = reconstructions(tables, cells_of(tables)).draw()
        drawn.draw_without_rendering()
    names = [label.get_window_extent() for label in drawn.axes[0].get_yticklabels()]
    assert len(names) == 13
    assert all(above.y0 > below.y1 for above, below in pairwise(names))
    assert min(name.x0 for name in names) >= 0


def test_images_of_another_data_set_make_their_own_blocks(tmp_path):
    text = TEXT.replace("space: {", "space: {data: {grid_search: [digits, cifar10]}, ").replace("data: digits, ", "")
    tables = of(tmp_path, text)
    parts = [
        reconstructed(replace(tables, trials=tables.trials[tables.trials["data"] == name])).reconstructions
        for name in ("digits", "cifar10")
    ]
    rows = pd.concat(parts).query("seed == 0")
    assert [(block.images.shape, block.names[1]) for block in blocks(rows, cells_of(tables).all)] == [
        *[((3, 10, 32, 32, 3), "iwae cifar10")] * 2,
        *[((3, 10, 8, 8), "iwae digits")] * 2,
    ]


def test_a_mosaic_of_colours_has_white_gaps():
    image = mosaic(np.zeros((1, 2, 4, 4, 3), np.uint8))
    assert image.shape == (6, 12, 3)
    assert (image[0] == 255).all()
    assert (image[1:5, 1:5] == 0).all()


def test_of_too_many_cells_the_best_are_shown(tmp_path):
    text = f"{{name: k, base: {{data: digits, epochs: 60}}, space: {{K: {{grid_search: {[*range(1, 15)]}}}}}}}"
    tables = reconstructed(of(tmp_path, text))
    figure = reconstructions(tables, cells_of(tables))
    names = [label.get_text() for label in figure.draw().axes[0].get_yticklabels()]
    assert names == ["original", *(f"K={k}" for k in range(1, 13))]
    assert "The 12 best of 14 cells." in figure.caption
    assert len(figure.draw().axes) == 1  # ten images of each


def test_there_are_no_pictures_of_a_model_that_diverged(trained: SweepTables):
    tables = encoded(reconstructed(trained))
    lost = (tables.trials["objective"] == "tmc") & (tables.trials["seed"] == 0)
    tables.trials.loc[lost, "status"] = "diverged"
    pictures = [kind(tables, cells_of(tables)) for kind in (reconstructions, latents)]
    assert [label.get_text() for label in pictures[0].draw().axes[0].get_yticklabels()] == ["original", "iwae"]
    assert [axes.get_title().split()[0] for axes in pictures[1].draw().axes] == ["iwae"]
    assert all("The best of 2 cells." in picture.caption for picture in pictures)


def encoded(tables: SweepTables, accuracy: Sequence[float] = (0.9, 0.7)) -> SweepTables:
    """100 images; so many of them have the class of their neighbours, by seed."""
    random = np.random.default_rng(0)
    rows = [
        {
            **shared(row),
            "epoch": 60,
            "image": image,
            "label": image % 10,
            "x": random.normal(image % 10),
            "y": random.normal(),
            "predicted": image % 10 if image < 100 * accuracy[row["seed"]] else -1,
        }
        for _, row in tables.trials.iterrows()
        for image in range(100)
    ]
    return replace(tables, latents=pd.DataFrame(rows))


def test_a_panel_per_cell_with_a_point_per_image_and_the_first_seeds_accuracy(trained: SweepTables):
    tables = encoded(trained)
    figure = latents(tables, cells_of(tables))
    drawn = figure.draw()
    assert [axes.get_title() for axes in drawn.axes] == [f"{name}\n10-NN accuracy 90.0%" for name in ("iwae", "tmc")]
    for axes, (_, rows) in zip(drawn.axes, tables.latents.query("seed == 0").groupby("objective"), strict=True):
        (points,) = axes.collections
        assert points.get_offsets().tolist() == rows[["x", "y"]].to_numpy().tolist()
        colours = pd.Series(map(tuple, points.get_facecolors()))
        assert (colours.groupby(rows["label"].to_numpy()).nunique() == 1).all()
        assert colours.nunique() == 10
        assert [text.get_text() for text in axes.texts] == [str(label) for label in range(10)]
    assert "Accuracy over seeds, mean ± std (ddof 1): iwae 80.0% ± 14.1%; tmc 80.0% ± 14.1%." in figure.caption


def test_a_few_stray_points_do_not_shrink_the_picture(trained: SweepTables):
    tables = encoded(trained)
    tables.latents.loc[0, "x"] = 1e6
    assert latents(tables, cells_of(tables)).draw().axes[0].get_xlim()[1] < 1e6 / 2


def test_there_are_no_pictures_before_they_are_computed(trained: SweepTables):
    assert (reconstructions(trained, cells_of(trained)), latents(trained, cells_of(trained))) == (None, None)
