"""`doctor` on a cluster of two nodes, of which the second has every mistake at once."""

import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import ray
import torch
from command import command
from ray.cluster_utils import Cluster
from wait import HANGS_SECONDS

from tmc_sweep.cluster import machine, nodes
from tmc_sweep.cluster.machine import this_machine
from tmc_sweep.cluster.nodes import ask_nodes, check_nodes
from tmc_sweep.sweep.session import joined

pytestmark = pytest.mark.cluster

WRONG = """
import collections, shutil, time
now, usage = time.time, shutil.disk_usage
time.time = lambda: now() - 100_000
shutil.disk_usage = lambda path: usage(path)._replace(free=1000)
"""


@pytest.fixture(scope="module")
def clusters() -> Iterator[Cluster]:
    """A cluster that RAY_ADDRESS names; Python starts with these mistakes on its second node."""
    temporary = Path(tempfile.mkdtemp(prefix="tmc-test-", dir="/tmp"))
    (temporary / "ray").mkdir()
    package = temporary / "wrong" / "tmc_sweep-9.9.9.dist-info" / "METADATA"
    package.parent.mkdir(parents=True)
    package.write_text("Metadata-Version: 2.1\nName: tmc-sweep\nVersion: 9.9.9\n")
    (temporary / "wrong" / "sitecustomize.py").write_text(WRONG)
    (temporary / "wrong" / "tmc_sweep.py").write_text("raise ImportError")
    node = {"num_cpus": 1, "num_gpus": 0, "include_dashboard": False, "object_store_memory": 150 * 2**20}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", str(temporary))
        cluster = Cluster(initialize_head=True, head_node_args={**node, "temp_dir": str(temporary)})
        cluster.add_node(**{**node, "num_gpus": 64}, env_vars={"PYTHONPATH": str(temporary / "wrong")})
        patch.setenv("RAY_ADDRESS", cluster.address)
        yield cluster
        ray.shutdown()
        cluster.shutdown()
    shutil.rmtree(temporary, ignore_errors=True)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((nodes, "ANSWER"), (nodes, "PROBE"), (nodes, "_CLOCK"), (machine, "PROBE")):
        monkeypatch.setattr(module, f"{name}_SECONDS", HANGS_SECONDS)


def test_every_mistake_of_a_node_is_a_line_and_a_good_node_is_one(clusters: Cluster, patient: None):
    ended = command("doctor", "--json")
    assert ended.code == 3
    lines = [check for check in ended.json if check["what"].startswith(("head", "node"))]
    assert [(line["ok"], line["what"].split()[0]) for line in lines] == [(True, "head"), *4 * [(False, "node")]]
    assert [line["found"].partition(" (")[0] for line in lines[1:]] == [
        f"has tmc-sweep 9.9.9, not {version('tmc-sweep')}",
        lines[2]["found"],
        f"offers 64 GPUs to Ray, but torch sees {torch.cuda.device_count()}",
        lines[4]["found"],
    ]
    (behind,) = re.fullmatch(r"its clock is (\d+) s behind ours", lines[4]["found"]).groups()
    assert 100_000 - HANGS_SECONDS <= int(behind) <= 100_000  # at least so much, however long the answer takes
    assert " has 1e-06 GB of " in lines[2]["found"]
    assert all(line["fix"] for line in lines[1:])
    (cluster,) = (check for check in ended.json if check["what"] == "cluster")
    assert cluster["found"].endswith("and accepts our token" if cluster["ok"] else "and asks for no token")
    assert not ray.is_initialized()


@pytest.mark.long
def test_a_node_that_is_busy_answers_and_one_that_hangs_is_not_waited_for(
    clusters: Cluster, patient: None, monkeypatch: pytest.MonkeyPatch
):
    with joined(clusters.address):
        hogs = [ray.remote(lambda: time.sleep(10 * HANGS_SECONDS)).options(num_cpus=1).remote() for _ in range(2)]
        assert all(node.machine for node in ask_nodes())
        assert ray.wait(hogs, num_returns=2, timeout=0)[0] == []
        monkeypatch.setattr(nodes, "ANSWER_SECONDS", 120.0)
        (second,) = (node for node in clusters.worker_nodes)
        (raylet,) = (info.process.pid for info in second.all_processes["raylet"])
        os.kill(raylet, signal.SIGSTOP)
        try:
            lines = list(check_nodes(this_machine()))
        finally:
            os.kill(raylet, signal.SIGCONT)
    assert [(line.ok, line.found) for line in lines] == [
        (True, lines[0].found),
        (False, "does not answer within 120 s"),
    ]
