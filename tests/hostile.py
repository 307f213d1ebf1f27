"""A stored sweep whose every free text is hostile: to a terminal, a page, a spreadsheet, a figure, and file names."""

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import compute

from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import (
    ATTEMPT_COLUMNS,
    EPOCH_COLUMNS,
    EVALUATION_COLUMNS,
    RECONSTRUCTION_COLUMNS,
    SUMMARY_COLUMNS,
    TRIAL_COLUMNS,
)
from tmc_sweep.store import manifest
from tmc_sweep.store.parquet import to_parquet

TEXT = (
    "=../../x/\x1b]0;owned\x07\x1b[2J\r\nforged: done\u202eevil\u2066\u200b\x9b31m[red]:x:"
    "$\\frac{<script>alert(1)</script>\"'><b>;,=1+1 &lt; {0} %s"
)
_KEPT = {"config", "cell_id", "data", "metric", "bound"}  # by which others are found


def unshown(text: str) -> set[str]:
    """The characters that a terminal would obey."""
    return {each for each in text if not each.isprintable() and each != "\n"}


def make_hostile(paths: SweepPaths) -> None:
    """Let each text of the first trial be TEXT, if it may be any."""
    sweep_id = manifest.read_manifest(paths).sweep_id
    tables = {
        paths.part(0): EPOCH_COLUMNS,
        paths.trials: TRIAL_COLUMNS,
        paths.attempts: ATTEMPT_COLUMNS,
        paths.summary: SUMMARY_COLUMNS,
        paths.evaluations: EVALUATION_COLUMNS,
        paths.reconstructions: RECONSTRUCTION_COLUMNS,
    }
    for path, columns in tables.items():
        stored = pq.read_table(path).replace_schema_metadata(None)
        key = stored["trial_id" if "trial_id" in stored.column_names else "cell_id"]
        first = compute.equal(key, key[0])
        free = [
            column.name
            for column in columns
            if column.dtype == "string" and not column.pattern + "".join(column.choices)
        ]
        for name in {*free} - _KEPT:
            position = stored.column_names.index(name)
            values = compute.if_else(first, TEXT, stored[name].cast(pa.string()))
            stored = stored.set_column(position, stored.field(name), values)
        path.write_bytes(to_parquet(stored, sweep_id))
