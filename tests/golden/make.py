"""Write the golden sweep of this version, and its published copy: `python tests/golden/make.py`, once per version."""

import sys
from pathlib import Path
from unittest.mock import patch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from twin import started, sweep  # noqa: E402

from tmc_sweep.data import load  # noqa: E402
from tmc_sweep.paths import SweepPaths  # noqa: E402
from tmc_sweep.space.load import parse  # noqa: E402
from tmc_sweep.statistics.summary import summarize, write_summary  # noqa: E402
from tmc_sweep.store import manifest, parquet, publish  # noqa: E402
from tmc_sweep.training import checkpoint  # noqa: E402

VERSION = max(kind.VERSION for kind in (parquet, manifest, checkpoint, publish))  # of the set: that of its newest kind
YAML = """name: golden
base: {data: digits, objective: iwae, architecture: {latents: [2], q_hidden: [4], p_hidden: [4]}, train_images: 100,
       test_images: 40, batch_size: 64, K: 2, epochs: 3}
seeds: 2
"""


def make(paths: SweepPaths, copy: SweepPaths) -> None:
    first, second = parse(YAML, "golden.yaml").trials()
    sweep(paths, [first], load("digits"), text=YAML)
    started(paths, [second], load("digits"), epochs=2).close()
    write_summary(paths, summarize(paths.epochs, last=2))
    publish.Publication(paths, str(copy.results)).update()
    for one in (paths, copy):
        one.lock.unlink()
        one.temporary.rmdir()


if __name__ == "__main__":
    with patch("socket.gethostname", lambda: "host"):
        make(*(SweepPaths(HERE / f"{kind}{VERSION}", "golden") for kind in ("v", "copy")))
