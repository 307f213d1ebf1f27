"""A sweep that is stopped by the real command in the middle of an epoch that takes long."""

from pathlib import Path

import pandas as pd
import pytest
from command import start
from gate import Gate
from place import own_place
from twin import expected, n_rows, outcomes, sweep, table
from wait import HANGS_SECONDS, wait_until

from tmc_sweep.data import load
from tmc_sweep.paths import SweepPaths
from tmc_sweep.space.load import parse
from tmc_sweep.store.read import read_trials

pytestmark = pytest.mark.cluster

YAML = """
name: long
base: {data: digits, objective: tmc, architecture: {latents: [12, 4]}, train_images: 100, test_images: 40, epochs: 3}
seeds: 2
resources: {checkpoint_seconds: 3600, gpu: 0, pack: 2}
"""


def test_a_signal_in_a_long_epoch_drops_it_and_the_epoch_before_is_where_the_next_run_goes_on(tmp_path: Path):
    """The second epoch lasts until it is asked to stop: were it not, Tune would kill its process.

    The next run is one in this process, and equals one that was never stopped.
    """
    file, paths, gate = tmp_path / "long.yaml", SweepPaths(tmp_path / "results", "long"), Gate(tmp_path)
    file.write_text(YAML)
    gate.close(1)
    with (
        own_place() as place,
        start("run", file, "--results", paths.results, **place.environment, **gate.environment) as process,
    ):
        wait_until(lambda: any(map(gate.waits, place.trainers())), process)
        stored = n_rows(paths.epochs)
        process.terminate()
        out, err = process.communicate(timeout=HANGS_SECONDS)
    assert (process.returncode, out, "Traceback" in err) == (143, "", False), err
    assert err.splitlines()[-1] == "tmc-sweep: stopped by SIGTERM: run the same command to go on"
    assert (stored, table(paths.epochs)["epoch"].tolist()) == (2, [1, 1])
    assert read_trials(paths.epochs)["checkpoint_epoch"].fillna(0).tolist() == [1, 1]
    trials, images = parse(YAML, "long.yaml").trials(), load("digits")
    assert len(sweep(paths, trials, images, size=2, text=YAML)) == 2
    frame = table(paths.epochs)
    assert frame["attempt"].tolist() == [1, 2, 2] * 2
    pd.testing.assert_frame_equal(outcomes(frame), expected(trials, images), check_exact=True)
