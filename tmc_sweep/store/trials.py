"""The trial table: a row per trial with its configuration, its status, and where and with what it was last trained.

The functions below the table go from its rows to configurations, and say which trials a run still has to train.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

from tmc_sweep.config import Architecture, TrialConfig
from tmc_sweep.errors import InputError, StorageError
from tmc_sweep.explain import did_you_mean
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import CONFIG_COLUMNS, OVER, TRIAL_COLUMNS, Status, fixed_values
from tmc_sweep.store import files
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.parquet import read_if_there, rows_to_parquet

TrialRow = Mapping[str, Any]  # keyed by column
_NAMES = tuple(column.name for column in TRIAL_COLUMNS)


class TrialTable:
    """Every trial of a sweep, in the order in which they were added.

    Changes are in memory until `commit`. Its one writer holds `sweep_lock`. Rows are handed out read-only.
    """

    def __init__(self, paths: SweepPaths, sweep_id: str, rows: Iterable[dict[str, Any]]) -> None:
        self._paths = paths
        self._sweep_id = sweep_id
        self._rows = {row["trial_id"]: row for row in rows}
        self._dirty = not paths.trials.exists()

    @classmethod
    def open(cls, paths: SweepPaths) -> Self:
        """The stored table, or an empty one; StorageError if it is damaged, of another sweep or of a newer format."""
        sweep_id = open_manifest(paths).sweep_id
        files.sync(paths.results)
        return cls(paths, sweep_id, read_if_there(paths.trials, TRIAL_COLUMNS, sweep_id).to_pylist())

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[TrialRow]:
        return map(MappingProxyType, self._rows.values())

    def get(self, trial_id: str) -> TrialRow | None:
        """The trial's row, by column; None if the table does not have the trial."""
        return MappingProxyType(self._rows[trial_id]) if trial_id in self._rows else None

    def ensure(self, configs: Iterable[TrialConfig]) -> None:
        """Add those of these trials that the table lacks, as pending, and set how many epochs the others are to have.

        A trial that was done and now has epochs left is pending again.
        """
        for config in configs:
            row = self.get(config.trial_id)
            if row is None:
                self._rows[config.trial_id] = _pending(config)
                self._dirty = True
            elif config.epochs != row["epochs"]:
                self.update(config.trial_id, epochs=config.epochs, config=config_json(config))
                if row["status"] == Status.DONE and row["epochs_done"] < config.epochs:
                    self.update(config.trial_id, status=Status.PENDING, ended=None)

    def update(self, trial_id: str, **columns: object) -> None:
        """Set some of a trial's columns; KeyError if there is no such trial, ValueError if no such column."""
        for name in columns:
            if name not in _NAMES:
                raise ValueError(f"{name} must be a column of the trial table, but is not{did_you_mean(name, _NAMES)}")
        self._rows[trial_id].update(columns)
        self._dirty = True

    def commit(self) -> None:
        """Make the changes durable; after a StorageError all of them are still here, and a later commit may succeed."""
        if self._dirty:
            content = rows_to_parquet(self._rows.values(), TRIAL_COLUMNS, self._sweep_id)
            files.write(self._paths.trials, content, self._paths.temporary)
            self._dirty = False


def config_json(config: TrialConfig) -> str:
    """The whole configuration as one line of JSON, keys in order; `TrialConfig.stored` reads it back."""
    return json.dumps(config.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), allow_nan=False)


def config_of(row: TrialRow) -> TrialConfig | None:
    """The configuration of a trial, by its row of the trial table.

    None if this version cannot read it, or reads a configuration from it that has another name than the row.
    """
    try:
        return TrialConfig.stored(json.loads(row["config"])).named(row["trial_id"])
    except (InputError, ValueError, TypeError, RecursionError):
        return None


def config_by_columns(columns: Mapping[str, Any], epochs: int = 1) -> TrialConfig | None:
    """The configuration of a trial, by its FIXED_COLUMNS in a row of any table, asking for so many epochs.

    None where `config_of` would give None.
    """
    fields = {column.name: columns[column.name] for column in CONFIG_COLUMNS}
    try:
        fields |= {"architecture": Architecture.called(columns["architecture"]), "epochs": epochs}
        return TrialConfig.parse(fields).named(columns["trial_id"])
    except (InputError, ValueError, AttributeError):
        return None


def missing(configs: Sequence[TrialConfig], rows: Mapping[str, TrialRow]) -> list[TrialConfig]:
    """Those of the trials that a run has to train, by the trial table's rows: they have epochs left, or failed.

    Trials that diverged or were stopped are results, and never among them.
    """
    return [config for config in configs if _is_missing(config, rows.get(config.trial_id))]


def known_config(row: TrialRow) -> TrialConfig:
    """The configuration of a trial, by its row of the trial table; StorageError where `config_of` gives None."""
    config = config_of(row)
    if config is None:
        raise StorageError(
            f"trial {row['trial_id']} must have the configuration that gave it its name, but this version reads "
            "another one: use the version of tmc_sweep that trained it"
        )
    return config


def _is_missing(config: TrialConfig, row: TrialRow | None) -> bool:
    if row is None or row["status"] == Status.FAILED:
        return True
    return row["status"] not in OVER and row["epochs_done"] < config.epochs


def _pending(config: TrialConfig) -> dict[str, Any]:
    known = {
        **fixed_values(config),
        "epochs": config.epochs,
        "epochs_done": 0,
        "status": Status.PENDING,
        "attempts": 0,
        "config": config_json(config),
    }
    return {name: known.get(name) for name in _NAMES}
