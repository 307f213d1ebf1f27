"""Write the golden sweep of `binarize: dynamic` under numerics 1, by the code of 54e832e. Not written again."""

import sys
from pathlib import Path
from unittest.mock import patch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from twin import started, sweep  # noqa: E402

from tmc_sweep.analysis.analyse import analyse  # noqa: E402
from tmc_sweep.analysis.evaluation import evaluate  # noqa: E402
from tmc_sweep.analysis.trained import choose  # noqa: E402
from tmc_sweep.data import load  # noqa: E402
from tmc_sweep.paths import SweepPaths  # noqa: E402
from tmc_sweep.space.load import parse  # noqa: E402
from tmc_sweep.statistics.summary import summarize, write_summary  # noqa: E402

YAML = """name: pixels
base: {data: digits, objective: iwae, architecture: {latents: [2], q_hidden: [4], p_hidden: [4]}, train_images: 40,
       test_images: 20, batch_size: 32, K: 2, epochs: 2}
space:
  binarize: {grid_search: [none, dynamic]}
seeds: 2
statistic: {last: 1}
"""


def make(paths: SweepPaths) -> None:
    *done, last = parse(YAML, "pixels.yaml").trials()
    sweep(paths, done, load("digits"), text=YAML)
    started(paths, [last], load("digits"), epochs=1, every_seconds=0.0).close()
    write_summary(paths, summarize(paths.epochs, last=1))
    evaluate(choose(paths), "iwae", samples=5, device="cpu")
    list(analyse(choose(paths), samples=2, images=2, device="cpu"))
    for lock in (paths.lock, paths.artefact_lock):
        lock.unlink(missing_ok=True)
    for folder in (paths.temporary, paths.artefact_temporary):
        folder.rmdir()


if __name__ == "__main__":
    with patch("socket.gethostname", lambda: "host"):
        make(SweepPaths(HERE / "numerics-1", "pixels"))
