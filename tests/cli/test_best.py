"""best: cells in the order of the statistic, and the best one as a search space."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from command import command
from invented import flat, write

from tmc_sweep.config import TrialConfig
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import TRIAL_COLUMNS
from tmc_sweep.space.load import load
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.parquet import read_table, to_parquet
from tmc_sweep.store.read import read_trials
from tmc_sweep.store.trials import TrialTable

SPACE = """name: made
base: {data: digits, objective: iwae, architecture: {latents: [12, 4], p_hidden: [20, 8]}, epochs: 60, batch_size: 64,
       gradient: dregs}
space: {K: {grid_search: [2, 5, 9]}, lr: {grid_search: [1e-5, 1e-3]}}
seeds: [0, 1, 7]
statistic: {metric: test_iwae, last: 20, mode: MODE}
resources: {cpu: 2, pack: 4}
"""


def level(config) -> float:
    return -float(config.K) if config.lr == 1e-5 else float("nan")


@pytest.fixture(params=["max", "min"])
def mode(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    write(tmp_path, SPACE.replace("MODE", request.param), flat(level, noise=0))
    return request.param


def test_cells_are_ranked_by_the_declared_statistic_and_unknown_ones_never(mode: str, tmp_path: Path):
    found = command("best", "made", "--results", tmp_path, "--json").json
    ranks = [(cell["rank"], cell["K"], cell["mean"] is None) for cell in found["cells"]]
    order = [2, 5, 9] if mode == "max" else [9, 5, 2]
    assert ranks[:3] == [(rank, k, False) for rank, k in enumerate(order, 1)]
    assert ranks[3:] == [(None, k, True) for k in (2, 5, 9)]
    assert found["best"] == found["cells"][0]["cell_id"]
    assert [cell["reason"] for cell in found["cells"][3:]] == ["seed 0 diverged in epoch 60"] * 3
    less = [0, -3, -7] if mode == "max" else [0, 4, 7]
    told = [[cell[name] for name in ("mean_difference", "low", "high", "n_common")] for cell in found["cells"]]
    assert told == [[None] * 4, *([value, value, value, 3] for value in less[1:]), *[[None] * 4] * 3]
    text = command("best", "made", "--results", tmp_path).out.splitlines()
    assert text[0] == f"test_iwae, last 20 epochs ({mode}); each less the first, seed by seed, 95 % intervals"
    assert text[-1].startswith(f"best ({mode}): iwae 12-4_p20-8 K={order[0]} lr=1e-05")


def test_the_search_space_written_has_the_best_cells_trials(mode: str, tmp_path: Path):
    file = tmp_path / "best.yaml"
    assert command("best", "made", "--results", tmp_path, "-o", file).code == 0
    space, stored = load(file), read_trials(tmp_path / "made")
    expected = stored[(stored["K"] == (2 if mode == "max" else 9)) & (stored["lr"] == 1e-5)]
    assert [config.trial_id for config in space.trials()] == expected["trial_id"].tolist()
    assert (space.name, space.statistic.last, space.statistic.mode) == ("made-best", 20, mode)
    assert (space.resources.cpu, space.resources.pack, space.cells[0].epochs) == (2, 4, 60)
    head = file.read_text().splitlines()[0]
    value = -2 if mode == "max" else -9
    assert head == f"# Best cell of sweep made ({mode}): {value}, mean test_iwae of epochs 41 to 60 over 3 seeds."
    assert not {"eval_k", "prior", "train_images"} & set(file.read_text().replace(":", " ").split())


def test_what_its_run_would_train_again_is_said_and_the_command_that_goes_on_trains_nothing(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The results folder is in the command only where it would be looked for elsewhere."""
    file = tmp_path / "the best.yaml"
    told = command("best", "made", "--results", tmp_path, "-o", file).err
    assert "a run of made-best trains 3 trials of 60 epochs again" in told
    advised = re.search("`tmc-sweep (.*)`", told)[1]
    plan = command("plan", *shlex.split(advised)[1:], "--json", "--slots", 1).json
    assert (plan["name"], plan["n_trials"], plan["n_to_train"]) == ("made", 3, 0)
    monkeypatch.setenv("TMC_SWEEP_RESULTS", str(tmp_path))
    assert "--set name=made` trains only what they lack" in command("best", "made", "-o", file, "--force").err


def test_a_file_that_is_there_is_replaced_only_if_asked_for(results: Path, tmp_path: Path):
    file = tmp_path / "best.yaml"
    file.write_text("mine")
    ended = command("best", "tiny", "--results", results, "-o", file)
    assert (ended.code, ended.out, file.read_text()) == (2, "", "mine")
    assert ended.err == f"tmc-sweep: -o must name a new file, but {file} exists: choose another name, or add --force\n"
    assert command("best", "tiny", "--results", results, "-o", file, "--force").code == 0
    assert command("plan", file, "--results", tmp_path, "--json").json["name"] == "tiny-best"


def test_a_file_in_no_folder_is_refused(results: Path, tmp_path: Path):
    file = tmp_path / "none" / "best.yaml"
    ended = command("best", "tiny", "--results", results, "-o", file)
    assert (ended.code, ended.err) == (
        4,
        f"tmc-sweep: -o must name a file that can be written, but {file} cannot (No such file or directory): "
        "choose another name\n",
    )


def test_cells_without_an_epoch_are_listed_too(results: Path, tmp_path: Path, file):
    shutil.copytree(results, tmp_path / "copy")
    trials = TrialTable.open(SweepPaths(tmp_path / "copy", "tiny"))
    trials.ensure(load(file(("[1e-3, 10]", "[1e-2]"))).trials())
    trials.commit()
    cells = command("best", "tiny", "--results", tmp_path / "copy", "--json").json["cells"]
    assert [(cell["lr"], cell["reason"]) for cell in cells if cell["rank"] is None][-1] == (0.01, "no epochs yet")


def test_cells_that_only_another_version_names_are_told(results: Path, tmp_path: Path):
    shutil.copytree(results, tmp_path / "copy")
    paths = SweepPaths(tmp_path / "copy", "tiny")
    stored = read_table(paths.trials, TRIAL_COLUMNS)
    place, texts = stored.column_names.index("config"), [TrialConfig().model_dump_json()] * len(stored)
    changed = stored.set_column(place, stored.field(place), [texts])
    paths.trials.write_bytes(to_parquet(changed, read_manifest(paths).sweep_id))
    ended = command("best", "tiny", "--results", paths.results, "-o", tmp_path / "best.yaml")
    assert "must have trials that this version names as they are named, but " in ended.err
    assert not (tmp_path / "best.yaml").exists()


def test_without_a_known_mean_there_is_no_best(results: Path, tmp_path: Path):
    ended = command("best", "tiny", "--results", results, "--last", 9, "-o", tmp_path / "best.yaml")
    assert (ended.code, ended.out, list(tmp_path.iterdir())) == (2, "", [])
    assert "has 4 epochs, fewer than 9): train on, or lower --last" in ended.err
    assert "best (" not in command("best", "tiny", "--results", results, "--last", 9).out
