"""Which figures a sweep has, and the files they become."""

from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from command import command
from invented import flat, sweep, write

from tmc_sweep.errors import StorageError
from tmc_sweep.report import figures
from tmc_sweep.report.figures.cells import ranking
from tmc_sweep.report.tables import SweepTables

GRID = """
name: grid
base: {data: digits, architecture: {latents: [4]}, epochs: 60}
space: {K: {grid_search: [1, 5]}, lr: {grid_search: [1e-3, 1e-2]}}
seeds: 2
statistic: {metric: test_iwae, last: 5}
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cell diverges, one has not begun."""
    folder = tmp_path_factory.mktemp("results")

    def curve(config) -> np.ndarray:
        values = flat(lambda config: -30.0)(config)
        return (
            values[:0] if (config.K, config.lr) == (5, 1e-3) else np.r_[values, np.nan] if config.lr > 5e-3 else values
        )

    write(folder, GRID, curve)
    return folder


@pytest.fixture(scope="module")
def tables(results: Path) -> SweepTables:
    return SweepTables.read(results, "grid")


def test_a_trial_of_data_that_are_not_known_here_is_one_sentence(tmp_path: Path):
    with pytest.raises(StorageError, match=r"data must be one of .*, but .*grid\.trials\.parquet has cifar100: use"):
        sweep(tmp_path, GRID, flat(lambda _: -30.0), known=lambda _: {"data": "cifar100"})


def test_tables_know_the_declared_statistic_and_the_search_space(tables: SweepTables):
    assert (tables.statistic.metric, tables.statistic.last) == ("test_iwae", 5)
    assert set(tables.summary["metric"]) == {"test_iwae"}
    assert tables.search_space == GRID
    assert len(tables.trials) == 8
    assert tables.latents.empty


def test_the_figures_of_a_grid(tables: SweepTables):
    made = figures.of(tables)
    assert [figure.name for figure in made] == ["curves", "heatmap", "timing", "model"]
    assert made[0].title == "Test IWAE bound by epoch"


def test_cells_of_equal_means_rank_as_they_do_in_best(tmp_path: Path):
    text = "{name: ties, base: {epochs: 60}, space: {K: {grid_search: KS}}, statistic: {metric: test_iwae}}"
    tables = sweep(tmp_path, text.replace("KS", str([*range(1, 41)])), flat(lambda config: -30.0 - config.K % 2))
    best = command("best", "ties", "--results", tmp_path, "--json").json
    assert ranking(tables) == [cell["cell_id"] for cell in best["cells"]]


def test_the_same_tables_give_the_same_bytes_whatever_the_users_matplotlib_is_set_to(
    tables: SweepTables, results: Path
):
    curves, heatmap, *_ = figures.of(tables)
    drawn = figures.svg(curves), figures.svg(heatmap), figures.png(heatmap)
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "savefig.dpi": 30, "xtick.direction": "in"}):
        curves, heatmap, *_ = figures.of(SweepTables.read(results, "grid"))
        assert (figures.svg(curves), figures.svg(heatmap), figures.png(heatmap)) == drawn
    assert "<dc:date>" not in drawn[0]


def test_the_command_writes_pngs_and_svgs_beside_the_tables_and_prints_where(results: Path):
    ended = command("figures", "grid", "--results", results)
    folder = results / "grid.figures"
    written = [Path(line) for line in ended.out.splitlines()]
    assert written == [
        folder / f"{name}.{kind}" for name in ("curves", "heatmap", "timing", "model") for kind in ("png", "svg")
    ]
    assert sorted(folder.iterdir()) == sorted(written)
    assert all(path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for path in written[::2])
    assert all(fetches_nothing(path) for path in written[1::2])
    assert (ended.code, ended.err) == (0, "")
    assert command("status", "--results", results, "--json").json[0]["name"] == "grid"  # the folder is no sweep


def fetches_nothing(path: Path) -> bool:
    """Whether an SVG has only links into itself, and no script."""
    nodes = list(ElementTree.parse(path).iter())
    links = [value for node in nodes for key, value in node.attrib.items() if key.endswith("href")]
    return all(link.startswith(("#", "data:")) for link in links) and not any("script" in node.tag for node in nodes)


def test_before_the_first_epoch_the_command_says_so_and_writes_where_it_is_told_to(tmp_path: Path):
    write(tmp_path, GRID, lambda config: np.empty(0))
    ended = command("figures", "grid", "--results", tmp_path, "-o", tmp_path / "my" / "own")
    assert (ended.code, ended.err) == (0, "grid: no epochs yet\n")
    assert sorted(path.name for path in (tmp_path / "my" / "own").iterdir()) == [
        "curves.png",
        "curves.svg",
        "model.png",
        "model.svg",
    ]


def test_mistakes_are_one_sentence(results: Path, tmp_path: Path):
    (tmp_path / "file").touch()
    assert command("figures", "gird", "--results", results).err.endswith("did you mean 'grid'?\n")
    ended = command("figures", "grid", "--results", results, "-o", tmp_path / "file" / "x")
    assert (ended.code, len(ended.err.splitlines())) == (4, 1)
