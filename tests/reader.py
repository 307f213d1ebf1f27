"""A plain reader of a growing table, as a process of its own: pandas and nothing of ours.

    python reader.py FOLDER PAUSE_SECONDS

Reads until its input ends; at each line of it, prints as JSON how often it read and all that it found wrong.
"""

import json
import select
import sys
import traceback
from pathlib import Path

import pandas as pd


def main(folder: Path, pause: float) -> None:
    reads, wrong = 0, []
    before = pd.Series(dtype="int64")
    while True:
        if select.select([sys.stdin], [], [], pause)[0]:
            if not sys.stdin.readline():
                return
            sys.stdout.write(json.dumps({"reads": reads, "wrong": wrong}) + "\n")
            sys.stdout.flush()
        if not folder.exists():
            continue
        try:
            frame = pd.read_parquet(folder).sort_values(["trial_id", "epoch"])
            n_epochs = frame.groupby("trial_id").size()
            if not (frame.groupby("trial_id").cumcount() + 1).eq(frame["epoch"]).all():
                wrong.append(f"read {reads}: a gap or a duplicate")
            if (n_epochs.reindex(before.index, fill_value=0) < before).any():
                wrong.append(f"read {reads}: {before.to_dict()}, then {n_epochs.to_dict()}")
            before, reads = n_epochs, reads + 1
        except Exception:
            wrong.append(traceback.format_exc())


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
