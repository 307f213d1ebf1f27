"""Finding a job server, and what it may answer: in one sentence each, and soon. No Ray runs here."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import pytest
import ray
from ray.core.generated.gcs_service_pb2 import InternalKVGetReply
from ray.core.generated.gcs_service_pb2_grpc import (
    InternalKVGcsServiceServicer,
    add_InternalKVGcsServiceServicer_to_server,
)
from wait import HANGS_SECONDS

from tmc_sweep.cluster import server
from tmc_sweep.cluster.jobs import list_jobs
from tmc_sweep.cluster.server import find_server
from tmc_sweep.errors import CannotRunError
from tmc_sweep.sweep.control_service import ControlService

VERSION = json.dumps({"ray_version": ray.__version__})


@pytest.fixture(autouse=True)
def _nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def answering(status: int, silent: bool = False, **answers: str) -> Iterator[str]:
    """`host:port` of an HTTP server with these answers to /api/version and so on, each with this status.

    A silent one answers nothing but its version as long as anybody waits.
    """
    left = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            what = self.path.split("/")[2]
            if silent and what != "version":
                left.wait(HANGS_SECONDS)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answers.get(what, "").encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{serving.server_port}"
        finally:
            left.set()
            serving.shutdown()
            thread.join()


@contextmanager
def control_service(service: InternalKVGcsServiceServicer) -> Iterator[str]:
    """`host:port` of a head that has no more than this service."""
    control = grpc.server(ThreadPoolExecutor(1))
    add_InternalKVGcsServiceServicer_to_server(service, control)
    port = control.add_insecure_port("127.0.0.1:0")
    control.start()
    yield f"127.0.0.1:{port}"
    control.stop(None)


def refusal(address: str, monkeypatch: pytest.MonkeyPatch, variable: str = "RAY_API_SERVER_ADDRESS") -> str:
    monkeypatch.setenv(variable, address)
    with pytest.raises(CannotRunError) as error:
        list_jobs(find_server())
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:1", "a Ray cluster must answer at "),
        ("http://127.0.0.1:1", "a Ray cluster's job server must answer at http://127.0.0.1:1, but none does: start"),
        ("ray://127.0.0.1:1", "but the address is ray://127.0.0.1:1: set RAY_ADDRESS to its dashboard"),
        ("http://[x", "but the address is http://[x: set RAY_ADDRESS to its dashboard"),
        ("http://", "but the address is http://: set RAY_ADDRESS to its dashboard"),
        ("http://here:port", "but the address is http://here:port: set RAY_ADDRESS to its dashboard"),
        ("antigravity://x", "but the address is antigravity://x: set RAY_ADDRESS to its dashboard"),
        ("", f"must answer at {server._HERE}, but none does"),
        ("auto", f"must answer at {server._HERE}, but none does"),
    ],
)
def test_an_address_where_no_job_server_is(monkeypatch: pytest.MonkeyPatch, address: str, says: str):
    monkeypatch.setattr(server, "_HERE", "http://127.0.0.1:2")
    assert says.replace("http://127.0.0.1:8265", "http://127.0.0.1:2") in refusal(address, monkeypatch, "RAY_ADDRESS")
    with answering(200, version=VERSION, jobs="[]") as there:
        monkeypatch.setenv("RAY_ADDRESS", f"http://{there}")
        assert list_jobs(find_server()) == []


def test_a_cluster_takes_jobs_once_its_head_has_a_dashboard(monkeypatch: pytest.MonkeyPatch):
    class Control(InternalKVGcsServiceServicer):
        dashboard = ""

        def InternalKVGet(self, *_: object) -> InternalKVGetReply:  # noqa: N802 - its name
            return InternalKVGetReply(value=self.dashboard.encode())

    service = Control()
    monkeypatch.setattr(ControlService, "check_joinable", lambda _: None)
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "127.0.0.1")
    with control_service(service) as address:
        assert "runs none: start its head with `ray start --head --include-dashboard=true`" in refusal(
            address, monkeypatch, "RAY_ADDRESS"
        )
        with answering(200, version=VERSION, jobs="[]") as service.dashboard:
            assert list_jobs(find_server()) == []


@pytest.mark.parametrize(
    ("status", "answers", "says"),
    [
        (200, {"version": '{"ray_version": "2.50.1"}'}, f"runs 2.50.1 and this machine {ray.__version__}: install ray"),
        (200, {"version": "<html>"}, "but it says "),
        (404, {"version": "not here"}, "but it says "),
        (200, {"version": VERSION, "jobs": "[{}]"}, f"must do what Ray {ray.__version__}'s does, but it says"),
        (401, {}, "need its token, but it refuses ours: copy the head's ~/.ray/auth_token to"),
        (403, {}, "need its token, but it refuses ours: copy the head's ~/.ray/auth_token to"),
    ],
)
def test_what_is_no_job_server_of_ours(
    monkeypatch: pytest.MonkeyPatch, status: int, answers: dict[str, str], says: str
):
    with answering(status, **answers) as address:
        assert says in refusal(address, monkeypatch)


def test_what_takes_connections_and_never_answers(monkeypatch: pytest.MonkeyPatch):
    assert server._REQUEST_SECONDS <= 8
    monkeypatch.setattr(server, "_REQUEST_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert "must answer at http://127.0.0.1:" in refusal(address, monkeypatch)


def test_what_falls_silent_after_it_has_answered(monkeypatch: pytest.MonkeyPatch):
    assert server._WORK_SECONDS < 20
    monkeypatch.setattr(server, "_WORK_SECONDS", 0.1)
    with answering(200, silent=True, version=VERSION, jobs="[]") as address:
        assert "must answer at http://127.0.0.1:" in refusal(address, monkeypatch)


def test_what_answers_more_than_any_job_server_would(monkeypatch: pytest.MonkeyPatch):
    assert server._MOST_BYTES < 10**8
    monkeypatch.setattr(server, "_MOST_BYTES", 1000)
    with answering(200, version=VERSION, jobs="[" + " " * 1000) as address:
        assert "but it says its answer has more than 1000 bytes: look at" in refusal(address, monkeypatch)


def test_a_control_service_that_answers_too_much_is_none():
    class Talker(InternalKVGcsServiceServicer):
        def InternalKVGet(self, *_: object) -> InternalKVGetReply:  # noqa: N802 - its name
            return InternalKVGetReply(value=b"a" * 2**21)

    with (
        control_service(Talker()) as address,
        pytest.raises(CannotRunError, match="the head of a Ray cluster must answer at"),
    ):
        ControlService(address).dashboard()


def test_the_address_of_the_job_server_comes_first_and_other_jobs_are_not_listed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    job = {"type": "SUBMISSION", "status": "RUNNING", "entrypoint": "", "submission_id": "tmc-sweep-grid-2-10"}
    ours = {**job, "metadata": {"tmc_sweep": "x"}, "start_time": 1_000}
    older = {**ours, "submission_id": "tmc-sweep-grid-2-9"}
    others = [job, {**ours, "submission_id": "raysubmit_1"}, {**job, "type": "DRIVER", "submission_id": None}]
    with answering(200, version=VERSION, jobs=json.dumps([*others, ours, older])) as address:
        monkeypatch.setenv("RAY_API_SERVER_ADDRESS", f"http://{address}/")
        (only,) = list_jobs(find_server())
    assert (only.sweep, only.number, only.state) == ("grid-2", 10, "running")
    assert only.started
    assert only.started.isoformat() == "1970-01-01T00:00:01+00:00"


@pytest.mark.parametrize(
    ("status", "driver_exit_code", "code"),
    [
        ("PENDING", None, None),
        ("RUNNING", None, None),
        ("SUCCEEDED", 0, 0),
        ("STOPPED", None, 143),
        ("FAILED", 75, 75),
        ("FAILED", -9, 137),
        ("FAILED", None, 3),
    ],
)
def test_the_exit_code_of_a_job_is_that_of_its_run(
    monkeypatch: pytest.MonkeyPatch, status: str, driver_exit_code: int | None, code: int | None
):
    job = {"type": "SUBMISSION", "status": status, "entrypoint": "", "submission_id": "tmc-sweep-x-1"}
    details = json.dumps([{**job, "metadata": {"tmc_sweep": "x"}, "driver_exit_code": driver_exit_code}])
    with answering(200, version=VERSION, jobs=details) as address:
        monkeypatch.setenv("RAY_API_SERVER_ADDRESS", address)
        assert [job.exit_code for job in list_jobs(find_server())] == [code]
