"""cluster/kuberay.yaml: by the operator's own schema, closed by default, results kept."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from tests.cluster.cut_crd import SCHEMA
from tests.cluster.files import kubernetes

pytestmark = pytest.mark.cluster

LABEL = {"ray.io/cluster": "tmc-sweep"}
OPERATOR = Draft202012Validator(json.loads(SCHEMA.read_text()))


@pytest.fixture
def cluster() -> dict[str, Any]:
    return kubernetes()["RayCluster"]


def pods(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def test_the_operator_accepts_it(cluster: dict[str, Any]) -> None:
    OPERATOR.validate(cluster)


def test_the_operator_would_drop_a_misspelt_key_and_this_test_refuses_it(cluster: dict[str, Any]) -> None:
    cluster["spec"]["authOption"] = cluster["spec"].pop("authOptions")
    with pytest.raises(ValidationError, match="authOption"):
        OPERATOR.validate(cluster)


def test_it_knows_only_the_operators_ways_to_ask_for_a_token(cluster: dict[str, Any]) -> None:
    cluster["spec"]["authOptions"]["mode"] = "tokens"
    with pytest.raises(ValidationError, match="tokens"):
        OPERATOR.validate(cluster)


def test_every_ray_process_asks_for_the_token(cluster: dict[str, Any]) -> None:
    containers = [container for pod in pods(cluster) for container in pod["containers"]]
    assert cluster["spec"]["authOptions"] == {"mode": "token"}
    for process in (*containers, cluster["spec"]["autoscalerOptions"]):
        assert {"name": "RAY_AUTH_MODE", "value": "token"} in process["env"]


def test_only_the_clusters_own_pods_reach_it(cluster: dict[str, Any]) -> None:
    policy = kubernetes()["NetworkPolicy"]["spec"]
    assert cluster["metadata"]["name"] == LABEL["ray.io/cluster"]  # the operator's label of its pods
    assert policy["podSelector"] == {"matchLabels": LABEL}
    assert policy["policyTypes"] == ["Ingress"]
    assert policy["ingress"] == [{"from": [{"podSelector": {"matchLabels": LABEL}}]}]
    assert cluster["spec"]["headGroupSpec"]["rayStartParams"]["dashboard-host"] == "127.0.0.1"


def test_pods_run_as_an_ordinary_user(cluster: dict[str, Any]) -> None:
    for pod in pods(cluster):
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_gpu_workers_start_from_zero_and_the_head_trains_nothing(cluster: dict[str, Any]) -> None:
    (workers,) = cluster["spec"]["workerGroupSpecs"]
    assert cluster["spec"]["enableInTreeAutoscaling"] is True
    assert cluster["spec"]["autoscalerOptions"]["idleTimeoutSeconds"] == 300
    assert (workers["replicas"], workers["minReplicas"], workers["maxReplicas"]) == (0, 0, 4)
    assert pods(cluster)[1]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert cluster["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_head_and_workers_have_one_image_of_the_version_that_the_operator_is_told(cluster: dict[str, Any]) -> None:
    (image,) = {container["image"] for pod in pods(cluster) for container in pod["containers"]}
    assert image.endswith(f":ray{cluster['spec']['rayVersion']}")


def test_results_lie_on_a_volume_that_outlives_the_cluster(cluster: dict[str, Any]) -> None:
    claim = kubernetes()["PersistentVolumeClaim"]
    head = pods(cluster)[0]
    assert head["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert head["containers"][0]["volumeMounts"] == [{"name": "results", "mountPath": "/home/ray/results"}]
    assert {"name": "TMC_SWEEP_RESULTS", "value": "/home/ray/results"} in head["containers"][0]["env"]
