"""A sweep of two cells of two seeds, each trial a few milliseconds an epoch: what was asked for, and how it stands."""

import pandas as pd
from twin import expected, outcomes, table

from tmc_sweep.data import Images
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space import SearchSpace
from tmc_sweep.space.load import parse
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.read import read_trials
from tmc_sweep.sweep.runner import SweepResult

YAML = """
name: tiny
base: {data: digits, objective: iwae, architecture: {latents: [12, 4]}, train_images: 100, test_images: 40,
       batch_size: 64, epochs: 3}
space: {K: {grid_search: [1, 2]}}
seeds: 2
statistic: {last: 2}
resources: {gpu: 0, pack: 2}
"""


def text(*replacements: tuple[str, str]) -> str:
    found = YAML
    for old, new in replacements:
        assert old in found
        found = found.replace(old, new)
    return found


def space(*replacements: tuple[str, str]) -> SearchSpace:
    return parse(text(*replacements), "tiny.yaml")


def statuses(result: SweepResult) -> list[Status]:
    return [trial.status for trial in result.trials]


def attempts(paths: SweepPaths) -> list[int]:
    return read_trials(paths.epochs)["attempts"].tolist()


def packs(paths: SweepPaths, wanted: SearchSpace) -> list[list[int]]:
    """The seeds of each pack in the manifest, in order."""
    seed = {config.trial_id: config.seed for config in wanted.trials()}
    return sorted([seed[trial_id] for trial_id in pack] for pack in read_manifest(paths).packs)


def check(result: SweepResult, wanted: SearchSpace, images: Images) -> pd.DataFrame:
    """Every trial is done, and its rows are what training it alone gives; the table."""
    assert set(statuses(result)) == {Status.DONE}
    frame = table(result.paths.epochs)
    asked = frame[frame["trial_id"].isin([config.trial_id for config in wanted.trials()])]
    pd.testing.assert_frame_equal(outcomes(asked), expected(wanted.trials(), images), check_exact=True)
    return frame
