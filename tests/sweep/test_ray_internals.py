"""What Ray must have that is none of its public interface, where `ray_internals` looks for it: the first to fail."""

import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
import pytest
import ray
from place import own_place
from ray import tune
from ray.autoscaler.sdk import bootstrap_config
from ray.job_submission import JobDetails, JobSubmissionClient
from ray.tune.experiment import Trial

from tmc_sweep.sweep import ray_internals

SIGNATURES: dict[str, tuple[tuple[object, ...], dict[str, object]]] = {  # how each is called, after `self`
    "ray._private.grpc_utils:init_grpc_channel": (("address", []), {}),
    "ray._raylet:AuthenticationTokenLoader.instance": ((), {}),
    "ray.autoscaler._private.command_runner:set_using_login_shells": ((True,), {}),
    "ray.autoscaler._private.commands:_get_running_head_node": (({}, "file", None), {}),
    "ray.autoscaler._private.kuberay.autoscaling_config:_derive_autoscaling_config_from_ray_cr": (({},), {}),
    "ray.autoscaler._private.kuberay.node_provider:KubernetesHttpApiClient": (("namespace",), {}),
    "ray.autoscaler._private.kuberay.node_provider:KubernetesHttpApiClient.get": (("self", "rayclusters/x"), {}),
    "ray.autoscaler._private.providers:_get_node_provider": (({}, "cluster"), {}),
    "ray.autoscaler._private.resource_demand_scheduler:_default_utilization_scorer": (
        ({}, [], "type"),
        {"node_availability_summary": None},
    ),
    "ray.autoscaler.node_provider:NodeProvider.get_command_runner": (
        ("self", "", "node", {}, "cluster", os, False, None),
        {},
    ),
    "ray._private.authentication.http_token_authentication:format_authentication_http_error": ((401, "text"), {}),
    "ray.dashboard.modules.dashboard_sdk:SubmissionClient": (("http://127.0.0.1:1",), {}),
    "ray.dashboard.modules.dashboard_sdk:SubmissionClient._do_request": (
        ("self", "GET", "/api/version"),
        {"data": b"", "json_data": {}},
    ),
}


def found(name: str) -> Any:
    module, _, path = name.partition(":")
    value: Any = import_module(module)
    for part in path.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("name", SIGNATURES)
def test_it_is_called_as_it_can_be(name: str):
    arguments, options = SIGNATURES[name]
    inspect.signature(found(name)).bind(*arguments, **options)


def test_what_is_compiled_is_there():
    loader = found("ray._raylet:AuthenticationTokenLoader").instance()
    assert callable(loader.reset_cache)
    assert callable(found("ray._raylet:Config").initialize)
    assert dict(found("ray._private.ray_constants:GLOBAL_GRPC_OPTIONS")).keys() == {"grpc.enable_http_proxy"}


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("CheckAliveRequest", set()),
        ("CheckAliveReply", {"ray_version"}),
        ("InternalKVGetRequest", {"namespace", "key"}),
        ("InternalKVGetReply", {"value"}),
    ],
)
def test_the_control_services_messages_have_our_fields(message: str, fields: set[str]):
    assert fields <= {*found(f"ray.core.generated.gcs_service_pb2:{message}").DESCRIPTOR.fields_by_name}


@pytest.mark.parametrize(
    ("stub", "method"),
    [("NodeInfoGcsServiceStub", "CheckAlive"), ("InternalKVGcsServiceStub", "InternalKVGet")],
)
def test_the_control_service_has_our_methods(stub: str, method: str):
    with grpc.insecure_channel("127.0.0.1:1") as channel:
        assert callable(getattr(found(f"ray.core.generated.gcs_service_pb2_grpc:{stub}")(channel), method))


def test_a_job_client_asks_by_our_requests_alone_whatever_ray_address_says(monkeypatch: pytest.MonkeyPatch):
    def request(method: str, url: str, **sent: Any) -> tuple[int, str]:
        asked.append((method, url, sent.keys()))
        return 200, '{"ray_version": "1.2.3"}' if url.endswith("version") else "[]"

    asked: list[Any] = []
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:2")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:2")
    client = ray_internals.job_client("http://127.0.0.1:1/", request)
    assert (client.get_address(), asked) == ("http://127.0.0.1:1", [])
    assert (ray_internals.job_server_version(client), client.list_jobs()) == ("1.2.3", [])
    sent = {"headers", "cookies", "data", "json"}
    assert asked == [("GET", f"http://127.0.0.1:1/api/{what}", sent) for what in ("version", "jobs/")]


@pytest.mark.parametrize("status", [401, 403])
def test_a_job_server_that_refuses_our_token_is_an_error_of_authentication(status: int):
    client = ray_internals.job_client("http://127.0.0.1:1", lambda *_, **__: (status, ""))
    with pytest.raises(ray.exceptions.AuthenticationError):
        client.list_jobs()


@pytest.mark.parametrize(
    ("given", "attributes"),
    [
        (
            JobDetails(type="SUBMISSION", status="RUNNING", entrypoint=""),
            {"driver_exit_code", "end_time", "message", "metadata", "start_time", "status", "submission_id"},
        ),
        (Trial("name", stub=True), {"config", "get_error", "get_pickled_error", "num_failures", "status"}),
    ],
)
def test_what_ray_gives_has_what_we_read(given: object, attributes: set[str]):
    assert {name for name in attributes if not hasattr(given, name)} == set()


def takes(function: Callable[..., object], *names: str) -> bool:
    return set(names) <= inspect.signature(function).parameters.keys()


def test_what_is_public_takes_our_arguments():
    assert takes(bootstrap_config, "cluster_config", "no_config_cache")
    assert takes(tune.Callback.on_experiment_end, "trials", "info")
    assert takes(ray.init, "include_dashboard", "object_store_memory", "log_to_driver", "logging_level")
    assert takes(JobSubmissionClient.submit_job, "entrypoint", "submission_id", "metadata", "runtime_env")


def test_what_a_sweep_does_not_need_is_left_out_only_inside(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(idle := "RAY_prestart_worker_first_driver", raising=False)
    kept = ray._private.services, ray._private.node.Node
    names = ("start_api_server", "start_monitor", "start_log_monitor")
    before = [getattr(owner, name, None) for owner in kept for name in names]
    with ray_internals.few_processes():
        assert ray._private.services.start_api_server(False, raise_on_failure=False) == ("", None)
        assert os.environ[idle] == "0"
    assert [getattr(owner, name, None) for owner in kept for name in names] == before
    assert idle not in os.environ


SESSION = """
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.session import ray_session
with ray_session(Resources(gpu=0)):
    print("up", flush=True)
    input()
"""


@pytest.mark.cluster
def test_a_ray_of_our_own_has_few_processes():
    words, pipe = [sys.executable, "-c", SESSION], subprocess.PIPE
    with own_place() as place:
        environment = {**os.environ, **place.environment, "RAY_ADDRESS": "local"}
        with subprocess.Popen(words, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdout.readline() == "up\n"
            found = [line.partition(" --")[0] for line in place.processes().values()]
            process.communicate("\n")
    assert any(line.endswith("/raylet/raylet") for line in found)
    left_out = ("/dashboard.py", "/monitor.py", "/log_monitor.py", "/default_worker.py")
    assert [line for line in found if line.endswith(left_out)] == []


def test_a_node_tells_where_its_raylet_listens(local_ray: object):
    us = ray.get_runtime_context().get_node_id()
    (path,) = (node["RayletSocketName"] for node in ray.nodes() if node["NodeID"] == us)
    assert Path(path).is_socket()


def test_a_sweep_loads_neither_the_launcher_nor_the_job_client():
    script = "import sys, tmc_sweep.sweep.ray_tune, tmc_sweep.sweep.tune\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "tmc_sweep.sweep.ray_internals" in loaded
    assert {"ray.autoscaler._private.commands", "ray.dashboard.modules.dashboard_sdk"} & {*loaded} == set()
