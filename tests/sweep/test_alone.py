"""resources.alone: each trial in a fresh process, one after the other, cells in turn."""

from collections.abc import Sequence

import pandas as pd
import pytest

from tmc_sweep.config import TrialConfig
from tmc_sweep.paths import SweepPaths
from tmc_sweep.search.early_stopping import in_turn
from tmc_sweep.space import SearchSpace
from tmc_sweep.space.load import parse
from tmc_sweep.space.schema import Resources
from tmc_sweep.statistics.processes import processes, unproven
from tmc_sweep.store.read import read_attempts, read_epochs
from tmc_sweep.sweep.packing import Packer
from tmc_sweep.sweep.runner import run

pytestmark = pytest.mark.cluster

TEXT = """
name: tiny
base: {data: digits, architecture: {latents: [12, 4]}, train_images: 100, test_images: 40, batch_size: 64, epochs: 2}
space: {K: {grid_search: [1, 2]}}
seeds: [7, 3]
resources: {gpu: 0, alone: true}
"""


def space(text: str = TEXT) -> SearchSpace:
    return parse(text, "tiny.yaml")


def seeds_and_k(trials: Sequence[TrialConfig]) -> list[tuple[int, int]]:
    return [(trial.seed, trial.K) for trial in trials]


def test_cells_take_turns_in_the_files_order_of_seeds():
    assert seeds_and_k(in_turn(space(), space().trials())) == [(7, 1), (7, 2), (3, 1), (3, 2)]
    packed = space(TEXT.replace(", alone: true", ""))
    assert seeds_and_k(in_turn(packed, packed.trials())) == [(7, 1), (3, 1), (7, 2), (3, 2)]


def never(*_: object) -> None:
    pytest.fail("measured")


def test_each_trial_has_a_pack_and_a_whole_gpu_to_itself_one_after_the_other():
    packer = Packer(Resources(alone=True, engine="eager"), [{"CPU": 16.0, "GPU": 4.0}], never)
    trials = space().trials()
    together = [[trial.trial_id for trial in trials]]  # as an earlier run had them
    assert [(len(each.trials), each.gpu) for each in packer.plan(trials, together)] == [(1, 1.0)] * 4
    assert packer.slots(1.0) == 1


@pytest.mark.long
@pytest.mark.usefixtures("nothing_left")
def test_the_attempt_table_shows_fresh_processes_that_took_turns(paths: SweepPaths):
    run(space(), paths.results)
    attempts, known = read_attempts(paths), processes(read_attempts(paths))
    assert len({each.name for each in known.values()}) == len(attempts) == 4
    by_seed = [[known[trial.trial_id] for trial in space().trials() if trial.seed == seed] for seed in (7, 3)]
    assert unproven(by_seed) == ""
    rows = read_epochs(paths.epochs)
    began = rows["time"] - pd.to_timedelta(rows["epoch_seconds"], unit="s")
    spans = pd.DataFrame({"began": began, "ended": rows["time"]}).groupby(rows["trial_id"])
    in_order = spans.agg({"began": "min", "ended": "max"}).loc[attempts["trial_id"]]
    assert (in_order["began"].to_numpy()[1:] >= in_order["ended"].to_numpy()[:-1]).all()  # none beside another
