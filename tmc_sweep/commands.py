"""Commands that a sentence advises, as who reads it must write them: by where they are, as the environment says."""

import os
from pathlib import Path
from shlex import quote

RESULTS = "TMC_SWEEP_RESULTS"  # in the environment: the folder that holds the sweeps' tables
CLUSTER_FILE = "TMC_SWEEP_CLUSTER_FILE"  # in the environment of a head that somebody asks with `--cluster FILE`


def command(words: str, results: Path | None = None) -> str:
    """`tmc-sweep WORDS`, as who reads it must write it.

    With `--cluster FILE` if that is how they asked; with `--results FOLDER` if it is about sweeps in a folder that is
    not where the command looks by itself.
    """
    usual = Path(os.environ.get(RESULTS) or "results").expanduser().resolve()
    there = f" --results {quote(str(results))}" if results and results.resolve() != usual else ""
    file = os.environ.get(CLUSTER_FILE)
    return f"`tmc-sweep {words}{there}{f' --cluster {quote(file)}' if file else ''}`"
