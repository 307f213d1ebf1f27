"""The story in a process of its own for each folder that is read from the input, to be traced and killed there.

The process tells its number and waits for a line; then it tells each acknowledged epoch; at last, its parent tells how
it ended.
"""

import json
import os
import sys
from collections import UserDict
from pathlib import Path

from story import TRIALS_PER_PART, run

from tmc_sweep.errors import StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store import epochs


def tell(*words: object) -> None:
    os.write(1, (json.dumps(words) + "\n").encode())


class Told(UserDict[tuple[str, int], float]):
    """Acknowledged epochs, each told as it comes."""

    def __setitem__(self, key: tuple[str, int], value: float) -> None:
        tell(*key, value)


def child(results: Path) -> None:
    epochs.TRIALS_PER_PART = TRIALS_PER_PART
    tell(os.getpid())
    sys.stdin.readline()
    try:
        run(SweepPaths(results, "tiny"), Told())
    except StorageError as error:
        os._exit(error.exit_code)
    os._exit(0)


def main() -> None:
    while folder := sys.stdin.readline().strip():
        if pid := os.fork():
            tell("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        else:
            child(Path(folder))


if __name__ == "__main__":
    main()
