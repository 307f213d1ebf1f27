"""Which cluster a sweep joins or starts. Nothing here starts Ray."""

import errno
import os
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import grpc
import pytest
import ray
from ray.core.generated.gcs_service_pb2 import CheckAliveReply, CheckAliveRequest
from ray.exceptions import ActorDiedError, AuthenticationError

from tmc_sweep.errors import CannotRunError
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep import session
from tmc_sweep.sweep.address import running_here
from tmc_sweep.sweep.control_service import ControlService
from tmc_sweep.sweep.session import ray_session


@pytest.fixture
def nothing_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which Ray is not running, and where starting it fails the test."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda *_, **__: pytest.fail("Ray was started"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(session, "watched", nullcontext)  # there is no raylet
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def check_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """That nothing is refused any more before Ray starts."""
    monkeypatch.setattr(ray, "init", lambda **_: started.append(1))
    started: list[int] = []
    with ray_session(Resources(gpu=0)):
        assert started == [1]


def test_a_cluster_that_ray_start_left_here_is_found_only_while_it_answers(
    nothing_started, listening: str, tmp_path: Path
):
    note = tmp_path / "ray" / "ray_current_cluster"
    note.parent.mkdir()
    assert running_here() is None
    note.write_text(listening + "\n")
    assert running_here() == listening
    for stale in ("127.0.0.1:1", "", "nonsense", "127.0.0.1:port"):
        note.write_text(stale)
        assert running_here() is None


def test_an_address_that_nobody_answers_at_is_refused(nothing_started, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.2:1")
    with pytest.raises(CannotRunError, match=r"must answer at 127\.0\.0\.2:1, but none does within 3 s"):
        ray_session(Resources()).__enter__()
    monkeypatch.delenv("RAY_ADDRESS")
    check_starts(monkeypatch)


def test_a_cluster_that_answers_only_where_ray_will_not_look_is_refused_too(
    nothing_started, listening: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "127.0.0.2")  # Ray replaces 127.0.0.1 by this
    monkeypatch.setenv("RAY_ADDRESS", listening)
    with pytest.raises(CannotRunError, match=r"must answer at 127\.0\.0\.2:"):
        ray_session(Resources()).__enter__()


@pytest.mark.parametrize(
    ("address", "whose"),
    [("ray://127.0.0.1:10001", "a Ray Client address"), ("http://127.0.0.1:8265", "a job server's")],
)
def test_an_address_that_is_not_the_clusters_own_is_refused(
    nothing_started, monkeypatch: pytest.MonkeyPatch, address: str, whose: str
):
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(CannotRunError, match=f"{address}, {whose}: log in to the head and run it there, or submit"):
        ray_session(Resources()).__enter__()


@contextmanager
def head(answer: Callable[[grpc.ServicerContext], str]) -> Iterator[str]:
    """The address of a cluster's head that gives this version of Ray as its own, if it answers."""

    def check_alive(_: object, context: grpc.ServicerContext) -> CheckAliveReply:
        return CheckAliveReply(ray_version=answer(context))

    handler = grpc.unary_unary_rpc_method_handler(
        check_alive, CheckAliveRequest.FromString, CheckAliveReply.SerializeToString
    )
    service = grpc.method_handlers_generic_handler("ray.rpc.NodeInfoGcsService", {"CheckAlive": handler})
    server = grpc.server(ThreadPoolExecutor(1), [service])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def silent(context: grpc.ServicerContext) -> str:
    """No answer while somebody waits for it."""
    left = threading.Event()
    context.add_callback(left.set)
    left.wait()
    return ""


@pytest.mark.parametrize("code", [None, grpc.StatusCode.UNAUTHENTICATED])
def test_whether_a_head_answers_who_has_no_token(code: grpc.StatusCode | None):
    with head(lambda context: context.abort(code, "no") if code else "any") as address:
        assert ControlService(address).is_open() == (code is None)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda _: "2.50.1", f"runs 2.50.1 and this machine {ray.__version__}: install ray==2.50.1 here"),
        (lambda context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "no"), "but it refuses ours: copy the head's"),
        (lambda context: context.abort(grpc.StatusCode.UNIMPLEMENTED, "no"), "but it does not: check the address"),
        (silent, "but none does within 0.5 s: check the address"),
        (lambda _: ray.__version__, "but its raylet is not there: check that it runs Ray"),
    ],
)
def test_a_head_that_will_not_have_us_is_reported_in_one_sentence(
    nothing_started, monkeypatch: pytest.MonkeyPatch, answer: Callable[[grpc.ServicerContext], str], says: str
):
    def refuse(**_: object) -> None:
        raise ConnectionError("its raylet is not there\nand a page about it")

    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setattr("tmc_sweep.sweep.control_service._JOIN_SECONDS", 0.5 if answer is silent else 60.0)
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "127.0.0.1")
    with head(answer) as here:
        monkeypatch.setenv("RAY_ADDRESS", here)
        with pytest.raises(CannotRunError) as error:
            ray_session(Resources()).__enter__()
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    monkeypatch.setattr(ray, "init", lambda **_: None)
    with head(lambda _: ray.__version__) as right, session.joined(right):
        assert right != here


def test_what_takes_connections_and_never_answers_is_refused(
    nothing_started, listening: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tmc_sweep.sweep.control_service._JOIN_SECONDS", 0.5)
    monkeypatch.setenv("RAY_ADDRESS", listening)
    with pytest.raises(CannotRunError, match=r"must answer at 127\.0\.0\.1:\d+, but none does within 0\.5 s"):
        ray_session(Resources()).__enter__()


def test_a_cluster_that_goes_away_in_mid_sweep_is_reported_with_the_way_on(
    nothing_started, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ray, "init", lambda **_: None)
    with (
        pytest.raises(CannotRunError, match=r"it broke off \(ActorDiedError\): run the same command to resume"),
        ray_session(Resources(gpu=0)),
    ):
        raise ActorDiedError


def test_our_own_cluster_has_no_dashboard_and_a_token_of_its_own(nothing_started, monkeypatch: pytest.MonkeyPatch):
    asked: list[dict[str, object]] = []

    def init(**options: object) -> None:
        token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
        asked.append({**options, "mode": token.stat().st_mode & 0o777, "folder": str(token.parent)})

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    with ray_session(Resources(gpu=0)):
        pass
    (options,) = asked
    assert (options["address"], options["include_dashboard"], options["mode"]) == ("local", False, 0o600)
    assert options["folder"] == options["_temp_dir"]
    assert "RAY_AUTH_TOKEN_PATH" not in os.environ


def test_a_token_that_the_user_names_is_used(nothing_started, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/mine")
    monkeypatch.setattr(ray, "init", lambda **_: None)
    with ray_session(Resources(gpu=0)):
        assert os.environ["RAY_AUTH_TOKEN_PATH"] == "/mine"


@pytest.mark.parametrize(
    ("said", "why", "fix"),
    [
        (
            Exception("The node timed out during startup. This could\nhappen because of anything."),
            "The node timed out during startup",
            "free some memory or processors",
        ),
        (
            OSError("AF_UNIX path length cannot exceed 107 bytes: /tmp/deep/socket"),
            "AF_UNIX path length cannot exceed 107 bytes: /tmp/deep/socket",
            "let RAY_TMPDIR name a folder with a short path",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "/proc/nonexistent/.ray"),
            "[Errno 2] No such file or directory: '/proc/nonexistent/.ray'",
            "let HOME be a folder that you may write to",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/elsewhere"),
            "[Errno 13] Permission denied: '/elsewhere'",
            "let /elsewhere be a folder that you may write to",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/proc/nonexistent/x"),
            "[Errno 28] No space left on device: '/proc/nonexistent/x'",
            "free some space on the disk of RAY_TMPDIR (default: /tmp) or in /dev/shm",
        ),
        (
            OSError(errno.EMFILE, "Too many open files"),
            "[Errno 24] Too many open files",
            "let more files be open at once (`ulimit -n 65536`)",
        ),
        (
            BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
            "[Errno 11] Resource temporarily unavailable",
            "end some processes of yours, or let there be more (`ulimit -u`)",
        ),
        (
            AuthenticationError("Token file is empty. Do this."),
            "Token file is empty",
            "unset RAY_AUTH_TOKEN_PATH, or let it name a file that holds a token",
        ),
    ],
)
def test_a_ray_that_does_not_start_is_reported_in_one_sentence(
    nothing_started, monkeypatch: pytest.MonkeyPatch, said: Exception, why: str, fix: str
):
    def fails(**_: object) -> None:
        raise said

    monkeypatch.setattr(ray, "init", fails)
    monkeypatch.setenv("HOME", "/proc/nonexistent")
    with pytest.raises(CannotRunError) as error, ray_session(Resources(gpu=0)):
        pass
    assert str(error.value) == f"Ray must start on this machine, but {why}: {fix}, and run the same command again"


def test_a_ray_whose_processes_are_late_is_started_again(nothing_started, monkeypatch: pytest.MonkeyPatch):
    ends: list[Exception | None] = [Exception("The current node timed out during startup. This could happen"), None]

    def late_once(**_: object) -> None:
        if error := ends.pop(0):
            raise error

    monkeypatch.setattr(ray, "init", late_once)
    with ray_session(Resources(gpu=0)):
        assert ends == []


@pytest.mark.parametrize("hard", [64, 255])
def test_too_few_open_files_are_refused_before_ray_starts(nothing_started, monkeypatch: pytest.MonkeyPatch, hard: int):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (hard, hard))
    with pytest.raises(CannotRunError, match=f"256 files open, but the hard limit here is {hard}: raise it"):
        ray_session(Resources(gpu=0)).__enter__()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4096, 4096))
    check_starts(monkeypatch)


def test_shared_memory_that_is_not_writable_is_refused_before_ray_starts(
    nothing_started, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(session, "_SHARED_MEMORY", str(memory := tmp_path / "shm"))
    with pytest.raises(CannotRunError, match=f"able to write to {memory}, but it is read-only or missing: make it"):
        ray_session(Resources(gpu=0)).__enter__()
    memory.mkdir()
    check_starts(monkeypatch)


def test_what_never_fits_this_machine_is_refused_before_ray_starts(nothing_started):
    with pytest.raises(CannotRunError, match="asks for 512 CPU"):
        ray_session(Resources(cpu=512.0)).__enter__()
