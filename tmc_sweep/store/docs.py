"""results/README.md, made from the declared columns: `python -m tmc_sweep.store.docs > results/README.md`."""

import sys
from collections.abc import Sequence

from tmc_sweep.records import (
    ATTEMPT_COLUMNS,
    EPOCH_COLUMNS,
    EVALUATION_COLUMNS,
    LATENT_COLUMNS,
    RECONSTRUCTION_COLUMNS,
    SUMMARY_COLUMNS,
    TRIAL_COLUMNS,
    Column,
)

_INTRO = """\
# Results

This page is generated from `tmc_sweep/records.py` by `python -m tmc_sweep.store.docs > results/README.md`.

The tables of a sweep named `grid` are Parquet files, whole at any moment, also while the sweep runs:

| file | what |
|---|---|
| `grid/` | the epoch table: one row per epoch of each trial, 64 trials per part |
| `grid.trials.parquet` | one row per trial: configuration, status, where and with what it was trained |
| `grid.attempts.parquet` | one row per attempt at a trial: when, where and with what, and how it ended |
| `grid.summary.parquet` | one row per cell: statistics over its last epochs; derived from the other two |
| `grid.evaluations.parquet` | bounds with many samples, by `tmc-sweep evaluate`: one row per trial, bound and samples |
| `grid.reconstructions.parquet` | some test images as the models reconstruct them, by `tmc-sweep analyse` |
| `grid.latents.parquet` | two-dimensional last latents of the test images, by `tmc-sweep analyse` |
| `.tmc/grid/` | lock, manifest and checkpoints: what a rerun continues from; `quarantine/`: what `repair` took out |

`tmc-sweep report` and `tmc-sweep figures` write `grid.report.html` and `grid.figures/`, derived from these. With
`--publish` there is a copy of the tables and the manifest elsewhere, under the same names. Its
`.tmc/grid/published.json` has the SHA-256 and size of each of its files, and its manifest says what it leaves out:
checkpoints. A copy can be read, verified and run: what is left is then trained from the start.
`tmc-sweep export grid --to csv -o DIR` writes the first two as CSV, `--to tensorboard` event files (`tensorboard
--logdir DIR`), `--to mlflow` a file store (with `pip install mlflow-skinny`; MLflow opens it where
MLFLOW_ALLOW_FILE_STORE=true, or takes it over by `mlflow migrate-filestore`). There each trial is a run, its fields are
parameters, and each epoch is a step.

```python
import pandas as pd

epochs = pd.read_parquet("results/grid")
trials = pd.read_parquet("results/grid.trials.parquet")
```

Each of these files carries its own SHA-256 in its key-value metadata (`tmc_sweep.sha256`, taken with zeros in its
place), beside a format version and the sweep's id; `tmc-sweep verify grid` checks them all.

A *trial* is one configuration with one seed; a *cell* is a trial without its seed. Objectives are in nats per image,
negative, higher is better. In the files null means not evaluated, and NaN computed and not finite; pandas shows both
as NaN, and its `mean` passes over both, while `tmc_sweep.summarize` averages over neither. A table written before a
column was declared does not have it; tmc_sweep reads it as null, a field of a trial as what all trials had until then.
Sweeps of 0.1.0 have no attempt table: which attempts there were before the last one is not known.
"""


def columns_markdown() -> str:
    """The text of results/README.md: what each file is, and every column of every table."""
    tables = (
        ("The epoch table", EPOCH_COLUMNS),
        ("The trial table", TRIAL_COLUMNS),
        ("The attempt table", ATTEMPT_COLUMNS),
        ("The summary", SUMMARY_COLUMNS),
        ("The evaluations", EVALUATION_COLUMNS),
        ("The reconstructions", RECONSTRUCTION_COLUMNS),
        ("The latents", LATENT_COLUMNS),
    )
    return "\n".join([_INTRO, *(_table(title, columns) for title, columns in tables)])


def _table(title: str, columns: Sequence[Column]) -> str:
    rows = [f"| `{column.name}` | {column.dtype} | {column.unit} | {column.meaning} |" for column in columns]
    return "\n".join([f"## {title}", "", "| column | type | unit | meaning |", "|---|---|---|---|", *rows, ""])


if __name__ == "__main__":
    sys.stdout.write(columns_markdown())
