"""A sweep that is stopped by the real command in the middle of an epoch that takes long."""

import time
from pathlib import Path

import pytest
from command import start
from place import own_place
from twin import n_rows, table

from tmc_sweep.paths import SweepPaths
from tmc_sweep.tables.read import read_trials

YAML = """
name: long
base: {data: digits, objective: tmc, K: SAMPLES, train_images: IMAGES, test_images: 50, batch_size: 1, epochs: 3}
seeds: 2
resources: {checkpoint_seconds: 3600, gpu: 0, pack: 2}
"""


@pytest.mark.parametrize(("images", "K"), [(400, 10), pytest.param(1400, 30, marks=pytest.mark.long)])
def test_a_signal_in_a_long_epoch_drops_it_and_the_epoch_before_is_checkpointed(tmp_path: Path, images: int, K: int):
    """An epoch takes seconds, and would end before Tune does; or minutes, and Tune would kill its process."""
    file, paths = tmp_path / "long.yaml", SweepPaths(tmp_path / "results", "long")
    file.write_text(YAML.replace("IMAGES", str(images)).replace("SAMPLES", str(K)))
    with own_place() as place, start("run", file, "--results", paths.results, **place.environment) as process:
        patience = time.monotonic() + 400
        while not n_rows(paths.epochs) and process.poll() is None and time.monotonic() < patience:
            time.sleep(0.1)
        process.terminate()
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out, "Traceback" in err) == (143, "", False), err
    assert err.splitlines()[-1] == "tmc-sweep: stopped by SIGTERM: run the same command to go on"
    assert table(paths.epochs)["epoch"].tolist() == [1, 1]
    assert read_trials(paths.epochs)["checkpoint_epoch"].fillna(0).tolist() == [1, 1]
