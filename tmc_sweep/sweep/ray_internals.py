"""All that we need of Ray beyond its public interface: each piece is a function here, and nothing else imports any.

A new release of Ray may move or change any of it. tests/sweep/test_ray_internals.py says what we rely on, and fails
first. What a sweep does not need is imported inside of its function.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import ray
from ray._private import services
from ray._private.grpc_utils import init_grpc_channel
from ray._private.node import Node
from ray._private.ray_constants import GLOBAL_GRPC_OPTIONS
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]
from ray.core.generated.gcs_service_pb2 import CheckAliveRequest, InternalKVGetRequest  # type: ignore[attr-defined]
from ray.core.generated.gcs_service_pb2_grpc import InternalKVGcsServiceStub, NodeInfoGcsServiceStub
from ray.exceptions import AuthenticationError

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

Request = Callable[..., tuple[int, str]]  # from (method, URL, headers=, cookies=, data=, json=) to status and text

VERSION_PATH = "/api/version"  # the path at which a job server says its version
_IDLE = "RAY_prestart_worker_first_driver"  # a process for each core, before there is work
_DASHBOARD = b"dashboard"  # Ray's name for the key and for its namespace


@contextmanager
def few_processes() -> Iterator[None]:
    """Let `ray.init` start only what a sweep needs: no dashboard, no autoscaler, no monitor of logs, no idle processes.

    Told to leave its dashboard out, Ray still starts it, for its statistics of usage, and waits for it; at its end it
    waits a second for the autoscaler, which one machine does not have.
    """

    def nothing(*_: object, **__: object) -> None: ...

    with ExitStack() as stack:
        stack.enter_context(_replaced(services, "start_api_server", lambda *_, **__: ("", None)))
        stack.enter_context(_replaced(Node, "start_monitor", nothing))
        stack.enter_context(_replaced(Node, "start_log_monitor", nothing))
        if _IDLE not in os.environ:
            os.environ[_IDLE] = "0"
            stack.callback(os.environ.pop, _IDLE)
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: object) -> Iterator[None]:
    """The attribute has this value inside."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def gcs_channel(address: str, most_bytes: int) -> grpc.Channel:
    """A gRPC channel to a cluster's control service (GCS), which sends our token where tokens are in use.

    Answers of more than `most_bytes` are errors.
    """
    return init_grpc_channel(address, [*GLOBAL_GRPC_OPTIONS, ("grpc.max_receive_message_length", most_bytes)])


def gcs_version(channel: grpc.Channel, seconds: float, *, keep_trying: bool = False) -> str:
    """The version of Ray that a control service runs; grpc.RpcError unless it answers within these seconds.

    `keep_trying`: connect again and again until then, also if nobody listens at first.
    """
    check_alive = NodeInfoGcsServiceStub(channel).CheckAlive
    return str(check_alive(CheckAliveRequest(), timeout=seconds, wait_for_ready=keep_trying).ray_version)


def gcs_dashboard(channel: grpc.Channel, seconds: float) -> str:
    """`host:port` of a cluster's dashboard, "" if it has none; grpc.RpcError unless it answers within these seconds."""
    wanted = InternalKVGetRequest(namespace=_DASHBOARD, key=_DASHBOARD)
    return str(InternalKVGcsServiceStub(channel).InternalKVGet(wanted, timeout=seconds).value.decode())


def read_token_anew() -> None:
    """Let Ray read its token again, which it otherwise does once in a process."""
    AuthenticationTokenLoader.instance().reset_cache()


def read_environment_anew() -> None:
    """Let Ray read its settings from the environment again, which it otherwise does when it is imported."""
    Config.initialize("")


def ray_cluster(namespace: str, name: str) -> Any:
    """A RayCluster object of Kubernetes in the form of a cluster file; for use in one of the cluster's pods."""
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
    from ray.autoscaler._private.kuberay.node_provider import KubernetesHttpApiClient

    return _derive_autoscaling_config_from_ray_cr(KubernetesHttpApiClient(namespace).get(f"rayclusters/{name}"))


def running_head(config: dict[str, Any], file: str) -> str:
    """The provider's name for the head of a cluster of `ray up`; RuntimeError if it is not up.

    `config` is the content of the cluster file `file`. The public `get_head_node_ip` gives an address, which is not
    what a provider needs to reach the head.
    """
    from ray.autoscaler._private.commands import _get_running_head_node

    return str(_get_running_head_node(config, file, None))


def node_provider(config: dict[str, Any]) -> Any:
    """The node provider of a bootstrapped config: it knows how to reach the cluster's machines."""
    from ray.autoscaler._private.providers import _get_node_provider

    return _get_node_provider(config["provider"], config["cluster_name"])


def use_terminal(wanted: bool) -> None:
    """Let the SSH commands that Ray composes from now on have a terminal and a login shell, or neither."""
    from ray.autoscaler._private.command_runner import set_using_login_shells

    set_using_login_shells(wanted)


def job_client(url: str, request: Request) -> "JobSubmissionClient":
    """Ray's client of the job server at a URL, which sends all its requests by `request`, and logs nothing.

    Made in the public way, it would prefer RAY_ADDRESS to the URL, ask the server at once, and have no deadline. Here
    nothing is asked yet. AuthenticationError, now or at a request, if tokens are in use and there is none here, or the
    server refuses ours.
    """
    from ray._private.authentication.http_token_authentication import format_authentication_http_error
    from ray.dashboard.modules.dashboard_sdk import SubmissionClient
    from ray.job_submission import JobSubmissionClient

    class Client(JobSubmissionClient):
        def __init__(self) -> None:
            self._client_ray_version = ray.__version__
            SubmissionClient.__init__(self, url)

        def _do_request(self, method: str, endpoint: str, *, data: Any = None, json_data: Any = None, **_: Any) -> Any:
            sent = {"headers": self._headers, "cookies": self._cookies, "data": data, "json": json_data}
            answer = _Answer(*request(method, self._address + endpoint, **sent))
            if refused := format_authentication_http_error(answer.status_code, answer.text):
                raise AuthenticationError(refused)
            return answer

    for chatty in (SubmissionClient, JobSubmissionClient):
        logging.getLogger(chatty.__module__).setLevel(logging.CRITICAL)
    return Client()


def job_server_version(client: "JobSubmissionClient") -> str:
    """The version of Ray that a job server runs; the public `get_version` tells the version of its API."""
    return str(client._do_request("GET", VERSION_PATH).json()["ray_version"])


@dataclass(frozen=True)
class _Answer:
    """What Ray's client asks of a response."""

    status_code: int
    text: str

    def json(self) -> Any:
        return json.loads(self.text)
