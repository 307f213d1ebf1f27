"""The search spaces of the article: what they say, and that each trains, scaled down, by the command."""

import re
from pathlib import Path

import pandas as pd
import pytest
from command import start
from place import own_place
from twin import small, sweep, table
from typer.main import get_command
from wait import HANGS_SECONDS

import tmc_sweep
from tmc_sweep.cli.app import app
from tmc_sweep.data import load as load_data
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space import load

FILES = Path(__file__).parents[1] / "search_spaces"
PAGE = (FILES.parent / "docs" / "reproduction.md").read_text()
IWAE_AND_TMC = {"objective": {"iwae", "tmc"}}
FACTS = {
    "table1": (4, 3, {**IWAE_AND_TMC, "architecture": {"small", "large"}, "K": {20}, "lr": {1e-3}, "epochs": {1200}}),
    "grid": (16, 3, {"objective": {"tmc"}, "K": {1, 5, 20, 50}, "lr": {1e-5, 1e-4, 1e-3, 1e-2}, "epochs": {500}}),
    "ablation": (2, 3, {**IWAE_AND_TMC, "architecture": {"ablation"}, "K": {5}, "lr": {1e-3}, "epochs": {500}}),
    "clustering": (2, 3, {**IWAE_AND_TMC, "architecture": {"clustering"}, "K": {20}, "epochs": {700}}),
    "timing": (8, 3, {**IWAE_AND_TMC, "architecture": {"small", "large"}, "K": {20, 50}, "epochs": {6}}),
    "weight_norm": (4, 3, {"objective": {"tmc"}, "weight_norm": {False, True}, "lr": {1e-3, 1e-2}}),
    "variance_reduction": (11, 3, {"objective": {"elbo", "iwae", "tmc"}, "gradient": {"std", "stl", "dregs"}}),
    "factorised": (4, 3, {**IWAE_AND_TMC, "proposal": {"nonfactorised", "factorised"}, "K": {20}}),
    "prior_init": (4, 3, {"prior": {"standard", "learned"}, "init": {"glorot_uniform", "torch"}}),
    "cifar10": (4, 3, {**IWAE_AND_TMC, "data": {"cifar10"}, "architecture": {"small", "large"}, "K": {20}}),
    "quickstart": (8, 3, {**IWAE_AND_TMC, "data": {"digits"}, "K": {5, 10}}),
}
SCALE = (
    "data=digits",
    "epochs=2",
    "train_images=200",
    "test_images=50",
    "seeds=1",
    "resources.gpu=0",
    "resources.pack=2",
)


@pytest.mark.parametrize("name", sorted(path.stem for path in FILES.glob("*.yaml")))
def test_cells_seeds_and_what_they_vary(name: str):
    n_cells, n_seeds, facts = FACTS[name]
    cells = load(FILES / f"{name}.yaml").cells
    assert (len(cells), len({cell.cell_id for cell in cells})) == (n_cells, n_cells)
    assert len(load(FILES / f"{name}.yaml").seeds) == n_seeds
    rows = [{**cell.row(), "epochs": cell.epochs} for cell in cells]
    assert {field: {row[field] for row in rows} for field in facts} == facts
    assert {row["data"] for row in rows} == facts.get("data", {"mnist"})


@pytest.mark.parametrize("name", sorted(FACTS))
def test_two_lines_say_what_of_the_article_it_is_and_the_command(name: str):
    what, command = (FILES / f"{name}.yaml").read_text().splitlines()[:2]
    assert re.match("# .+ .+", what)
    assert command == f"# tmc-sweep run search_spaces/{name}.yaml"


def test_the_page_names_every_file_and_its_commands_are_valid():
    assert set(re.findall(r"run search_spaces/(\w+)\.yaml", PAGE)) == FACTS.keys() - {"quickstart"}
    assert set(re.findall(r"tmc-sweep ([a-z]+)", PAGE)) <= set(get_command(app).commands)
    for name, options in re.findall(r"^tmc-sweep run search_spaces/(\w+)\.yaml (--set .*)$", PAGE, re.M):
        assert load(FILES / f"{name}.yaml", overrides=options.removeprefix("--set ").split(" --set ")).trials()


@pytest.fixture(scope="module")
def ablation(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Its epoch table, trained on few images for few epochs."""
    space = load(FILES / "ablation.yaml", overrides=[*SCALE, "seeds=2", "epochs=8"])
    paths = SweepPaths(tmp_path_factory.mktemp("results"), space.name)
    sweep(paths, space.trials(), load_data("digits"), size=2)
    return table(paths.epochs)


def test_with_one_stochastic_layer_iwae_and_tmc_are_the_same_bound(ablation: pd.DataFrame):
    assert len(ablation) == 2 * 2 * 8
    assert (ablation["test_iwae"] - ablation["test_tmc"]).abs().max() < 1e-5


def test_with_one_stochastic_layer_training_either_is_the_same_training(ablation: pd.DataFrame):
    """Up to rounding, which training amplifies: to far less than another seed changes."""
    curves = ablation.pivot_table(index="epoch", columns=["seed", "objective"], values="test_objective")
    of_objectives = (curves.xs("tmc", axis=1, level=1) - curves.xs("iwae", axis=1, level=1)).abs().max(axis=None)
    of_seeds = (curves[0] - curves[1]).abs().mean(axis=None)
    assert of_objectives < 0.01 * of_seeds


def test_with_one_sample_training_either_is_the_same_training():
    iwae, tmc = (
        pd.DataFrame(map(measured, tmc_sweep.train(small(objective=objective, K=1), images=load_data("digits"))))
        for objective in ("iwae", "tmc")
    )
    pd.testing.assert_frame_equal(iwae, tmc, rtol=1e-5)


def measured(record) -> dict[str, float]:
    return {name: getattr(record, name) for name in ("train_objective", "test_iwae", "test_tmc", "grad_norm")}


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(FACTS))
def test_each_trains_scaled_down(name: str, tmp_path: Path):
    options = [part for value in SCALE for part in ("--set", value)]
    with (
        own_place() as place,
        start("run", FILES / f"{name}.yaml", "--results", tmp_path, *options, **place.environment) as process,
    ):
        _, err = process.communicate(timeout=HANGS_SECONDS)
    assert process.returncode == 0, err
    trials = tmc_sweep.read_trials(tmp_path / name)
    assert set(trials["status"]) == {Status.DONE}
    assert len(trials) == FACTS[name][0]
    assert len(table(tmp_path / name)) == 2 * len(trials)
