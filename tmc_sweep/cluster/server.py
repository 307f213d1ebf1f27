"""A cluster's job server: where it is, whether it accepts us, and Ray's client of it, with a deadline on everything.

Whoever asks the server does so inside of `asking`, which turns whatever fails into one sentence.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import ray
from ray.exceptions import AuthenticationError
from ray.job_submission import JobSubmissionClient

from tmc_sweep.errors import CannotRunError
from tmc_sweep.exchange import exchange
from tmc_sweep.sweep.address import CONNECT_SECONDS, answers, as_ray_reads, running_here
from tmc_sweep.sweep.control_service import ControlService, token_refused
from tmc_sweep.sweep.ray_internals import VERSION_PATH, job_client, job_server_version
from tmc_sweep.sweep.trust import is_anothers
from tmc_sweep.text import last_line

_HERE = "http://127.0.0.1:8265"  # where Ray's dashboard usually listens
_REQUEST_SECONDS = 8.0  # for the whole answer to a question for its version
_WORK_SECONDS = 18.0  # for any other answer: a busy head takes its time to start a job
_MOST_BYTES = 2**26  # of an answer, such as a log


JobServer = JobSubmissionClient  # Ray's client of a dashboard's job API


def find_server() -> JobServer:
    """The job server at RAY_API_SERVER_ADDRESS, else of RAY_ADDRESS, of the cluster here, or at 127.0.0.1:8265.

    CannotRunError if it does not answer within seconds, refuses our token or runs another version of Ray.
    """
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    url = os.environ.get("RAY_API_SERVER_ADDRESS") or _url(os.environ.get("RAY_ADDRESS", ""))
    server = _server(_checked(url if "://" in url else f"http://{url}"))
    _check_version(server)
    return server


def _server(url: str) -> JobServer:
    try:
        return job_client(url, _request)
    except AuthenticationError:  # this process is to use a token, and has none
        raise _refused(url) from None


def _request(method: str, url: str, **sent: Any) -> tuple[int, str]:
    seconds = _REQUEST_SECONDS if url.endswith(VERSION_PATH) else _WORK_SECONDS
    answer = exchange(method, url, seconds=seconds, most=_MOST_BYTES, **sent)
    return answer.status, answer.content.decode(errors="replace")


def _check_version(server: JobServer) -> None:
    """CannotRunError unless it runs our version of Ray."""
    with asking(server):
        theirs = job_server_version(server)
    if theirs != ray.__version__:
        raise CannotRunError(
            f"jobs need one version of Ray on both ends, but the cluster at {server.get_address()} runs {theirs} "
            f"and this machine {ray.__version__}: install ray=={theirs} here"
        )


def _url(address: str) -> str:
    """The URL of the job server of the cluster at an address, in any form that RAY_ADDRESS may have."""
    if "://" in address:
        return address
    address = running_here() or "" if address in ("", "auto", "local") else address
    return _dashboard(as_ray_reads(address)) if address else _ours_here()


def _ours_here() -> str:
    """The usual URL of a job server on this machine; CannotRunError, before it is asked, if it is another user's."""
    if is_anothers(urlsplit(_HERE).netloc):
        raise CannotRunError(
            f"jobs, and our token, go to a job server that is ours unless another is named, but another user listens "
            f"at {_HERE}: set RAY_ADDRESS to the address of yours"
        )
    return _HERE


def _dashboard(address: str) -> str:
    if not answers(address):
        raise CannotRunError(
            f"a Ray cluster must answer at {address}, but none does within {CONNECT_SECONDS:g} s: start it with "
            "`ray start --head`, or set RAY_ADDRESS to its job server, such as http://127.0.0.1:8265"
        )
    service = ControlService(address)
    service.check_joinable()
    dashboard = service.dashboard()
    if dashboard is None:
        raise CannotRunError(
            f"jobs need the cluster's dashboard, but the cluster at {address} runs none: "
            "start its head with `ray start --head --include-dashboard=true`"
        )
    return dashboard


def _checked(url: str) -> str:
    """The URL, if its scheme is http or https; else CannotRunError.

    Ray would import a module that is named like an unknown scheme.
    """
    with suppress(ValueError):  # brackets around what is no address, or a port that is no number
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port):
            return url
    raise CannotRunError(
        f"jobs go to a cluster's job server, but the address is {url}: "
        "set RAY_ADDRESS to its dashboard, such as http://127.0.0.1:8265"
    )


@contextmanager
def asking(server: JobServer) -> Iterator[None]:
    """Whatever fails inside, where the server is asked, is raised as a CannotRunError with the server's URL."""
    url = server.get_address()
    try:
        yield
    except AuthenticationError:
        raise _refused(url) from None
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise CannotRunError(
            f"the job server at {url} must do what Ray {ray.__version__}'s does, but it says "
            f"{last_line(error) or type(error).__name__:.200}: look at the head's dashboard log"
        ) from None
    except OSError:  # answers that are no JSON are ValueErrors
        raise CannotRunError(
            f"a Ray cluster's job server must answer at {url}, but none does: start the cluster, bring its port here "
            "with `ray dashboard FILE`, or set RAY_ADDRESS"
        ) from None


def _refused(url: str) -> CannotRunError:
    return token_refused(f"jobs of the Ray cluster at {url} need")
