"""Everything that a report of one sweep shows, read at once. Figures and pages read no table themselves.

Texts of the tables are made `visible` here, so that no control character reaches a figure or a page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pandas as pd
from pandas.api.types import is_numeric_dtype

from tmc_sweep.errors import StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.registry import DATA_SETS, is_own
from tmc_sweep.space.load import parse_stored
from tmc_sweep.space.schema import Statistic
from tmc_sweep.statistics.labels import differing_fields
from tmc_sweep.statistics.paired import differences_of
from tmc_sweep.statistics.processes import at_once
from tmc_sweep.statistics.summary import summary_of
from tmc_sweep.statistics.windows import Runs, read_runs
from tmc_sweep.store.artefacts import EVALUATIONS, LATENTS, RECONSTRUCTIONS, read_artefact
from tmc_sweep.store.earlier import earlier_cells, without
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.read import plain_rows, read_attempts, read_epochs, read_trials
from tmc_sweep.text import visible


@dataclass(frozen=True)
class SweepTables:
    """The tables of one sweep, as they are when it is made; columns as in `tmc_sweep.records`.

    The tables are read one after another, so of a running sweep a later one may have more epochs.
    """

    name: str
    epochs: pd.DataFrame
    trials: pd.DataFrame
    attempts: pd.DataFrame  # without rows for a sweep of 0.1.0
    summary: pd.DataFrame  # of `statistic`
    statistic: Statistic  # as the search space declares it
    searched: bool  # whether cells are drawn, or chosen one by one, and not all those of a grid
    search_space: str  # YAML as last run; "" if the sweep was not run from one
    evaluations: pd.DataFrame  # like the next two without rows where none were computed
    reconstructions: pd.DataFrame
    latents: pd.DataFrame
    differences: pd.DataFrame  # of `statistic`, paired, by each field that varies
    beside: Mapping[str, int]  # by trial_id: how many processes trained on its host at once, its own included
    left_out: str  # a sentence about trials of earlier numerics, which are in no table here; "" if there are none

    @classmethod
    def read(cls, results: Path, name: str) -> Self:
        """The tables of the sweep `name`, without trials of earlier numerics.

        InputError if there is no such sweep, StorageError if a file is damaged or names a data set that is not known.
        """
        paths = SweepPaths(results, name)
        manifest = read_manifest(paths)
        text = manifest.search_space if manifest else ""
        space = parse_stored(text, str(paths.manifest))
        statistic = space.statistic if space else Statistic()
        epochs, all_trials = read_epochs(paths.epochs), read_trials(paths.epochs)
        _check_data(paths.trials, all_trials)
        _check_data(paths.epochs, epochs)
        runs = read_runs(paths.epochs, statistic.last, statistic.metric)
        earlier = earlier_cells(all_trials)
        trials = without(all_trials, earlier)
        return cls(
            name,
            _visible(without(epochs, earlier)),
            _visible(trials),
            _visible(read_attempts(paths)),
            _visible(summary_of(runs, statistic.last, statistic.metric)),
            statistic,
            space is not None and space.search.algorithm != "grid",
            visible(text, also="\n\t"),
            _visible(without(read_artefact(EVALUATIONS, paths), earlier)),
            _visible(without(read_artefact(RECONSTRUCTIONS, paths), earlier)),
            _visible(without(read_artefact(LATENTS, paths), earlier)),
            _visible(_differences(runs, trials, statistic)),
            at_once(all_trials, epochs),
            runs.left_out,
        )


def _check_data(path: Path, rows: pd.DataFrame) -> None:
    """StorageError if a trial's data set is neither built in nor of one's own: nothing is known of its images."""
    for name in sorted(set(rows["data"])):
        if name not in DATA_SETS and not is_own(name):
            raise StorageError(
                f"a trial's data must be {DATA_SETS.rule}, but {path} has {visible(name):.40}: "
                "use the version of tmc_sweep that trained it"
            )


def _visible(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its texts made visible."""
    for name in frame.columns:
        values = () if is_numeric_dtype(frame[name]) else frame[name].unique()
        if odd := {value: visible(value) for value in values if isinstance(value, str) and not value.isprintable()}:
            frame = frame.assign(**{name: frame[name].replace(odd)})
    return frame


def _differences(runs: Runs, trials: pd.DataFrame, statistic: Statistic) -> pd.DataFrame:
    cells = plain_rows(trials.drop_duplicates("cell_id"))
    fields = differing_fields(cells) if cells else []
    found = [differences_of(runs, by, statistic.last, statistic.metric) for by in fields]
    return pd.concat([frame.astype(object) for frame in found], ignore_index=True) if found else pd.DataFrame()
