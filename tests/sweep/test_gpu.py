"""What only a GPU can show: packs on it, its memory running out, means that are decided by measuring."""

import pandas as pd
import pytest
import torch
from twin import NEVER, RecordedChannel, finish, outcomes, small, table

from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Images
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space.load import parse
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.read import read_trials
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.sweep.pack_run import PackRun
from tmc_sweep.sweep.runner import run

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def train_on_gpu(paths: SweepPaths, images: Images, *packs: list[TrialConfig]) -> pd.DataFrame:
    configs = [config for pack in packs for config in pack]
    recorder = Recorder.open(paths, configs)
    for pack in packs:
        finish(PackRun(pack, images, RecordedChannel(recorder), "cuda", NEVER))
    recorder.commit()
    return outcomes(table(paths.epochs))


def test_a_pack_gives_the_rows_of_its_trials_alone_up_to_rounding(digits: Images, paths: SweepPaths, tmp_path):
    configs = [small(seed=seed) for seed in (0, 1, 2)]
    packed = train_on_gpu(paths, digits, configs)
    alone = train_on_gpu(SweepPaths(tmp_path / "alone", "tiny"), digits, *([config] for config in configs))
    pd.testing.assert_frame_equal(packed, alone, check_exact=False, rtol=1e-3)
    assert set(read_trials(paths.epochs)["device"]) == {torch.cuda.get_device_name()}


def test_a_pack_larger_than_its_share_of_memory_goes_on_in_halves(digits: Images, paths: SweepPaths):
    configs = [small(seed=seed, K=200, train_images=1000, batch_size=500, epochs=1) for seed in range(4)]
    total = torch.cuda.mem_get_info()[1]
    train_on_gpu(paths, digits, configs[:1])
    one = torch.cuda.max_memory_reserved()
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(2.5 * one / total)
    try:
        train_on_gpu(paths, digits, configs)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert set(read_trials(paths.epochs)["status"]) == {Status.DONE}
    assert max(len(pack) for pack in read_manifest(paths).packs) < 4


@pytest.mark.parametrize("tf32", ["false", "true"])
def test_a_sweep_whose_every_means_is_auto_runs_on_the_gpu(paths: SweepPaths, tf32: str):
    space = parse(
        "{name: tiny, base: {architecture: {latents: [12, 4]}, train_images: 100, test_images: 40, K: 2, epochs: 2},"
        f" seeds: 4, resources: {{tf32: {tf32}}}}}",
        "tiny.yaml",
    )
    result = run(space, paths.results)
    assert {trial.status for trial in result.trials} == {Status.DONE}
    trials = read_trials(paths.epochs)
    assert set(trials["device"]) == {torch.cuda.get_device_name()}
    assert set(trials["engine"]) == {"eager tf32" if tf32 == "true" else "eager"}
