"""Shares of a GPU through real Ray Tune: packs with a quarter each are trained at once on one logical GPU."""

import pandas as pd
import pytest
from gate import Gate
from twin import expected, outcomes, table

from tmc_sweep.data import Images
from tmc_sweep.paths import SweepPaths
from tmc_sweep.space.load import parse
from tmc_sweep.sweep.progress import Snapshot
from tmc_sweep.sweep.runner import run

pytestmark = pytest.mark.usefixtures("nothing_left")

SPACE = parse(
    "{name: tiny, base: {objective: iwae, architecture: {latents: [12, 4]}, train_images: 100, test_images: 40, K: 2,"
    " epochs: 3}, seeds: 4, resources: {cpu: 0.5, gpu: 0.25, pack: 1, engine: eager}}",
    "tiny.yaml",
)


@pytest.fixture(scope="module")
def gpus() -> int:
    return 1


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    return Gate(tmp_path_factory.mktemp("gate"), "logical_gpus.install")


def test_four_packs_are_trained_at_once_on_one_gpu(digits: Images, paths: SweepPaths, gate: Gate):
    def listen(snapshot: Snapshot) -> None:
        if all(trial.last and trial.last.epoch == 1 for trial in snapshot.trials):
            gate.open()  # each has trained an epoch, and none another: without four at once this never comes

    gate.close(1)
    run(SPACE, paths.results, listen)
    attempts = pd.read_parquet(paths.attempts)
    assert attempts["gpu"].tolist() == [0.25] * 4
    assert attempts["process"].nunique() == 4
    assert attempts["began"].max() < attempts["ended"].min()
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(SPACE.trials(), digits), check_exact=True)
