"""A small sweep on disk, of every kind of file: one trial is finished, one in the middle with two checkpoints."""

from pathlib import Path

from twin import RecordedChannel, small, sweep

from tmc_sweep.data import load
from tmc_sweep.paths import SweepPaths
from tmc_sweep.statistics.summary import summarize, write_summary
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.sweep.pack_run import PackRun

YAML = """name: tiny
base: {data: digits, objective: iwae, architecture: {latents: [4]}, train_images: 100, test_images: 40,
       batch_size: 64, K: 2, epochs: 3}
seeds: 2
"""
TRIALS = [small(architecture={"latents": [4]}, seed=seed) for seed in range(2)]
DONE, GOING = TRIALS


def store(results: Path) -> SweepPaths:
    """Such a sweep, named tiny."""
    paths, images = SweepPaths(results, "tiny"), load("digits")
    sweep(paths, [DONE], images, text=YAML)
    recorder = Recorder.open(paths, TRIALS)
    run = PackRun([GOING], images, RecordedChannel(recorder), "cpu", 0.0)
    run.train_epoch()
    run.train_epoch()
    recorder.release()
    recorder.commit()
    write_summary(paths, summarize(paths.epochs, last=2))
    return paths


def checkpoint(paths: SweepPaths, which: int = 0) -> Path:
    """A checkpoint of the unfinished trial: its older one, or its newer."""
    return sorted((paths.checkpoints / GOING.trial_id).iterdir())[which]
