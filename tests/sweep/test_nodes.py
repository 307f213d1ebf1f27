"""Whether trials fit the nodes there are and may be. Nothing here starts Ray."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest
import ray
from ray.autoscaler._private.kuberay.node_provider import KubernetesHttpApiClient
from ray.autoscaler._private.util import prepare_config

from tests.cluster.files import CLUSTER, kubernetes, load
from tmc_sweep.errors import CannotRunError
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep import autoscaler
from tmc_sweep.sweep.autoscaler import Autoscaler, NodeType
from tmc_sweep.sweep.capacity import check_fits
from tmc_sweep.sweep.nodes import Nodes

LAPTOP, GPU_NODE = {"CPU": 4.0}, {"CPU": 16.0, "GPU": 2.0, "memory": 1e9}
HEAD, SMALL, LARGE = {"CPU": 0.0}, {"CPU": 8.0, "GPU": 1.0}, {"CPU": 16.0, "GPU": 4.0}


@pytest.mark.parametrize(
    ("resources", "nodes"),
    [
        ({}, [LAPTOP]),
        ({}, [LAPTOP, GPU_NODE]),
        ({"gpu": 0}, [GPU_NODE]),
        ({"cpu": 0.5, "gpu": 0.25}, [GPU_NODE]),
        ({"cpu": 16.0, "gpu": 2}, [LAPTOP, GPU_NODE]),
    ],
)
def test_what_some_node_can_hold_is_accepted(resources, nodes):
    check_fits(Resources(**resources), nodes)


@pytest.mark.parametrize(
    ("resources", "nodes", "numbers"),
    [
        ({"cpu": 512.0}, [LAPTOP], "asks for 512 CPU and 0 GPU where the nodes have 4 CPU and 0 GPU: lower"),
        ({"gpu": 0.5}, [LAPTOP], "asks for 1 CPU and 0.5 GPU where the nodes have 4 CPU and 0 GPU: lower"),
        ({"gpu": 3}, [LAPTOP, GPU_NODE], "3 GPU where the nodes have 16 CPU and 2 GPU, 4 CPU and 0 GPU: lower"),
        ({"cpu": 8.0, "gpu": 1}, [{"CPU": 8.0}, {"CPU": 4.0, "GPU": 4.0}], "asks for 8 CPU and 1 GPU"),
        ({"cpu": 8.0}, [{"CPU": 8.0}, {"CPU": 4.0, "GPU": 4.0}], "asks for 8 CPU and a share of a GPU where"),
        ({}, [], "where the nodes have nothing: lower"),
    ],
)
def test_a_trial_that_no_single_node_can_hold_is_refused_with_the_numbers(resources, nodes, numbers):
    with pytest.raises(CannotRunError) as error:
        check_fits(Resources(**resources), nodes)
    assert numbers in str(error.value)
    assert "\n" not in str(error.value)


@contextmanager
def monitor(port: int, file: Path) -> Iterator[None]:
    """A process with the command line of Ray's autoscaler."""
    options = [f"--gcs-address=10.0.0.1:{port}", f"--autoscaling-config={file}"]
    with subprocess.Popen([sys.executable, "-c", "input('ready')", *options], stdin=PIPE, stdout=PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        yield
        process.communicate(b"\n")


def nodes(*workers: dict[str, float], types: list[tuple[dict[str, float], int]], most: int) -> Nodes:
    return Nodes(HEAD, workers, Autoscaler(tuple(NodeType(*kind) for kind in types), most))


def added(cluster: Nodes, **resources: object) -> list[tuple[float, float]]:
    """CPU and GPU of what may be added to what runs."""
    more = cluster.at_once(Resources(**resources))
    assert more[: 1 + len(cluster.workers)] == [cluster.head, *cluster.workers]
    return [(node["CPU"], node["GPU"]) for node in more[1 + len(cluster.workers) :]]


def test_workers_that_run_are_not_counted_twice():
    assert added(nodes(types=[(SMALL, 3)], most=3)) == 3 * [(8, 1)]
    assert added(nodes(SMALL, {**SMALL, "memory": 1.0}, types=[(SMALL, 3)], most=3)) == [(8, 1)]
    assert added(nodes(*4 * [SMALL], types=[(SMALL, 3)], most=3)) == []
    assert added(nodes(LAPTOP, types=[(SMALL, 3)], most=3)) == 3 * [(8, 1)]  # somebody else's


def test_all_types_together_stay_below_the_files_own_bound():
    assert added(nodes(types=[(SMALL, 4), (SMALL, 4)], most=4)) == 4 * [(8, 1)]
    assert added(nodes(SMALL, types=[(SMALL, 4), (SMALL, 4)], most=4)) == 3 * [(8, 1)]
    assert added(nodes(SMALL, types=[(LARGE, 1), (SMALL, 4)], most=3)) == [(16, 4), (8, 1)]


@pytest.mark.parametrize(
    ("resources", "first"),
    [({}, (16, 4)), ({"gpu": 0.25}, (16, 4)), ({"gpu": 0, "cpu": 32.0}, (64, 0)), ({"gpu": 0}, (64, 0))],
)
def test_where_not_all_may_be_added_the_largest_that_hold_a_trial_are(resources, first):
    assert added(nodes(types=[(SMALL, 2), ({"CPU": 64.0}, 2), (LARGE, 2)], most=1), **resources) == [first]


def test_a_type_that_waits_for_others_to_go_still_counts_as_one_that_a_trial_may_fit_on():
    full = nodes(SMALL, SMALL, types=[(SMALL, 2), (LARGE, 2)], most=2)
    assert added(full, gpu=4) == []
    check_fits(Resources(gpu=4), full.kinds)
    with pytest.raises(CannotRunError, match="0 CPU and 0 GPU, 8 CPU and 1 GPU: lower"):
        check_fits(Resources(gpu=4), nodes(types=[(SMALL, 2), (LARGE, 0)], most=2).kinds)
    with pytest.raises(CannotRunError, match="the nodes have 0 CPU and 0 GPU: lower"):
        check_fits(Resources(gpu=4), nodes(types=[(LARGE, 2)], most=0).kinds)


def test_the_shipped_aws_file_adds_four_workers_not_four_of_each_kind():
    with monitor(6379, CLUSTER / "gpu.yaml"):
        found = Autoscaler.here("6379")
    assert found.most == 4
    assert added(Nodes(HEAD, (), found)) == 4 * [(8, 1)]
    assert added(Nodes(HEAD, ({"CPU": 8.0, "GPU": 1.0, "node:10.0.0.2": 1.0},), found)) == 3 * [(8, 1)]


def test_own_machines_that_have_not_joined_are_named_where_a_trial_is_refused():
    own = Autoscaler.of(prepare_config(load("onprem.yaml")))
    for running, says in ((0, "0 GPU, and 2 more have yet to join: wait"), (2, "0 GPU: lower resources.cpu")):
        cluster = Nodes(LAPTOP, running * (LAPTOP,), own)
        with pytest.raises(CannotRunError, match=says):
            cluster.fitting(Resources(gpu=1))


def test_the_autoscaler_of_another_cluster_on_this_machine_is_none_of_ours():
    with monitor(6379, CLUSTER / "gpu.yaml"):
        assert Autoscaler.here("379") == Autoscaler.here("6380") == Autoscaler()


def test_types_have_the_bounds_that_ray_gives_them_where_the_file_does_not(tmp_path: Path):
    file = tmp_path / "cluster.yaml"
    file.write_text(
        "{max_workers: 3, head_node_type: head, available_node_types: {head: {resources: {CPU: 2}},"
        " gpu: {resources: {CPU: 8, GPU: 1}}, plain: {max_workers: 2}, own: {resources: {}}}}"
    )
    with monitor(6379, file):
        assert Autoscaler.here("6379").types == (NodeType({"CPU": 2.0}, 0), NodeType(SMALL, 3))


@pytest.mark.parametrize(
    "text", ["", "[]", "a: [1", "available_node_types: 3", "{max_workers: 1, available_node_types: {a: 3}}", "é\0"]
)
def test_a_cluster_file_that_says_nothing_is_passed_over(tmp_path: Path, text: str):
    file = tmp_path / "cluster.yaml"
    file.write_text(text)
    with monitor(6379, file):
        assert Autoscaler.here("6379") == Autoscaler()


def test_under_kuberay_the_pods_of_the_raycluster_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def get(client: KubernetesHttpApiClient, path: str) -> object:
        asked.append((client._namespace, path))
        return kubernetes()["RayCluster"] | {"metadata": {"name": "tmc-sweep", "namespace": "sweeps"}}

    asked: list[tuple[str, str]] = []
    (tmp_path / "namespace").write_text("sweeps")
    monkeypatch.setattr(autoscaler, "_NAMESPACE", tmp_path / "namespace")
    monkeypatch.setattr(KubernetesHttpApiClient, "get", get)
    assert Autoscaler.here("6379") == Autoscaler()
    monkeypatch.setenv("RAY_CLUSTER_NAME", "tmc-sweep")
    found = Autoscaler.here("6379")
    assert asked == [("sweeps", "rayclusters/tmc-sweep")]
    assert added(Nodes(HEAD, (), found)) == 4 * [(8, 1)]


def test_a_pod_that_may_not_read_its_raycluster_has_no_autoscaler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "namespace").write_text("sweeps")
    monkeypatch.setattr(autoscaler, "_NAMESPACE", tmp_path / "namespace")
    monkeypatch.setenv("RAY_CLUSTER_NAME", "tmc-sweep")  # and there is no token here
    assert Autoscaler.here("6379") == Autoscaler()


@pytest.mark.parametrize("on_head", [True, False])
def test_what_may_be_added_is_known_on_the_head_alone(monkeypatch: pytest.MonkeyPatch, on_head: bool):
    class Context:
        gcs_address = "10.0.0.1:6379"

        def get_node_id(self) -> str:
            return "a" if on_head else "b"

    head = {"CPU": 2.0, "node:__internal_head__": 1.0}
    alive = [{"NodeID": "b", "Alive": True, "Resources": SMALL}, {"NodeID": "a", "Alive": True, "Resources": head}]
    monkeypatch.setattr(ray, "nodes", lambda: [*alive, {"NodeID": "c", "Alive": False, "Resources": LARGE}])
    monkeypatch.setattr(ray, "get_runtime_context", Context)
    with monitor(6379, CLUSTER / "gpu.yaml"):
        found = Nodes.of_cluster()
    assert (found.head, found.workers) == (head, (SMALL,))
    assert len(found.at_once(Resources())) == (5 if on_head else 2)
