"""A sweep that is stopped by the real command in the middle of an epoch that takes long."""

from pathlib import Path

from command import start
from gate import Gate
from place import own_place
from twin import n_rows, table
from wait import HANGS_SECONDS, wait_until

from tmc_sweep.paths import SweepPaths
from tmc_sweep.tables.read import read_trials

YAML = """
name: long
base: {data: digits, objective: tmc, architecture: {latents: [12, 4]}, train_images: 100, test_images: 40, epochs: 3}
seeds: 2
resources: {checkpoint_seconds: 3600, gpu: 0, pack: 2}
"""


def test_a_signal_in_a_long_epoch_drops_it_and_the_epoch_before_is_checkpointed(tmp_path: Path):
    """The second epoch lasts until it is asked to stop: were it not, Tune would kill its process."""
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
