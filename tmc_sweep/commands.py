"""Commands that messages advise, written so that the reader can copy them.

An advice such as "mend it with `tmc-sweep repair grid`" must name the results folder if it is not the usual one, and
`--cluster FILE` if the reader asked a cluster's head through that file. Both are known from the environment alone, so
that an error deep in the store can say them.
"""

import os
from pathlib import Path
from shlex import quote

RESULTS = "TMC_SWEEP_RESULTS"  # in the environment: the folder that holds the sweeps' tables
INSTALL_RAY = "`pip install 'ray[default,tune]'`"
CLUSTER_FILE = "TMC_SWEEP_CLUSTER_FILE"  # the same, on a head: the FILE of whoever asked it by `--cluster FILE`


def command(words: str, results: Path | None = None) -> str:
    """The command `tmc-sweep WORDS` in backquotes, with the options that the reader needs.

    `--cluster FILE` is added if that is how they asked, and `--results FOLDER` if the command is about sweeps in
    `results` and would not look there by itself.
    """
    usual = Path(os.environ.get(RESULTS) or "results").expanduser().resolve()
    there = f" --results {quote(str(results))}" if results and results.resolve() != usual else ""
    file = os.environ.get(CLUSTER_FILE)
    return f"`tmc-sweep {words}{there}{f' --cluster {quote(file)}' if file else ''}`"
