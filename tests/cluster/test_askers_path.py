"""The whole way of who asks for a sweep: `ray up cluster/gpu.yaml`, `tmc-sweep run search_spaces/grid.yaml`, pandas.

The cluster is the shipped file's twin on this machine (laptop.py): AWS and its image are left out, its commands are as
they are. The head has one logical GPU, of which each pack has a quarter and trains on the processor (logical_gpus.py).
"""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.cluster.laptop import BIN, Laptop, laptop_of

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
SCALED_DOWN = {
    "data": "digits",
    "train_images": 100,
    "test_images": 40,
    "epochs": 3,
    "seeds": 1,
    "statistic.last": 2,
    "resources.cpu": 0.5,
    "resources.gpu": 0.25,
    "resources.pack": 1,
    "resources.engine": "eager",
}
ON_LOGICAL_GPUS = """#!{python}
import json, os, sys
config = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR") or "{{}}")
config["runtime_env"] = {{**config.get("runtime_env", {{}}), "worker_process_setup_hook": "logical_gpus.install"}}
os.environ["RAY_JOB_CONFIG_JSON_ENV_VAR"] = json.dumps(config)
os.execv({program!r}, [{program!r}, *sys.argv[1:]])
"""


def without_aws(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What of the file is of AWS or of its container is left out; Ray is started as the file says, with a GPU."""
    for key in ("docker", "available_node_types", "head_node_type", "initialization_commands", "head_setup_commands"):
        del config[key]
    config["file_mounts"] = {path.replace("/home/ray", "~"): of for path, of in config["file_mounts"].items()}
    *first, start = config["head_start_ray_commands"]
    assert "ray start --head" in start
    start = start.replace("/cluster", "/cluster:$PYTHONPATH").replace("--head", "--head --num-cpus=2 --num-gpus=1")
    program = folder / "venv" / "bin" / "tmc-sweep"
    program.unlink()
    program.write_text(ON_LOGICAL_GPUS.format(python=sys.executable, program=str(BIN / "tmc-sweep")))
    program.chmod(0o755)
    for shipped in ("cluster", "search_spaces"):
        shutil.copytree(ROOT / shipped, folder / shipped)
    return {**config, "head_start_ray_commands": [*first, start]}


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    folders = (ROOT, ROOT / "tests", ROOT / "tests" / "sweep")
    gate = tmp_path_factory.mktemp("gate")
    environment = {"PYTHONPATH": ":".join(map(str, folders)), "TMC_TEST_GATE": str(gate)}
    with laptop_of("gpu.yaml", without_aws, **environment) as laptop:
        yield laptop


def test_a_cluster_a_sweep_and_pandas(laptop: Laptop):
    settings = [word for name, value in SCALED_DOWN.items() for word in ("--set", f"{name}={value}")]
    laptop.sweep("run", laptop.folder / "search_spaces" / "grid.yaml", *settings)

    epochs = pd.read_parquet(laptop.results / "grid")  # a folder of parts, and that is all there is to know
    cells = epochs.groupby(["K", "lr"])["epoch"].agg(list)
    assert sorted(cells.index) == [(K, lr) for K in (1, 5, 20, 50) for lr in (1e-5, 1e-4, 1e-3, 1e-2)]
    assert all(found == [1, 2, 3] for found in cells)
    last = epochs[epochs["epoch"] > 1].groupby("cell_id")["test_objective"]
    summary = pd.read_parquet(laptop.results / "grid.summary.parquet").set_index("cell_id")
    pd.testing.assert_series_equal(summary["mean"], last.mean()[summary.index], check_names=False)

    attempts = pd.read_parquet(laptop.results / "grid.attempts.parquet")
    assert set(attempts["gpu"]) == {0.25}
    assert set(attempts["end"]) == {"done"}
    assert json.loads(laptop.run("tmc-sweep", "summary", "grid", "--json").stdout)
