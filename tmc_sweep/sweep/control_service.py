"""Questions to a cluster's control service (GCS), each with a deadline: is it there, and will it let us join?

Ray itself, when it joins a cluster that does not answer or refuses it, waits for minutes and then says little.
"""

import os
from typing import NoReturn

import grpc
import ray
from ray.exceptions import AuthenticationError

from tmc_sweep.errors import CannotRunError, TmcSweepError, cluster_lost
from tmc_sweep.supervision import say
from tmc_sweep.sweep import TOKEN
from tmc_sweep.sweep.ray_internals import gcs_channel, gcs_dashboard, gcs_version

_JOIN_SECONDS = 10.0
_SILENT_SECONDS = 20.0
_MOST_BYTES = 2**20  # of an answer: an address, a version


class ControlService:
    """The control service (GCS) of the cluster at an address, `host:port`; nothing is asked yet."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._channel = gcs_channel(address, _MOST_BYTES)

    def check_joinable(self) -> None:
        """CannotRunError unless it answers within 10 s, accepts our token and runs our version of Ray."""
        try:
            version = gcs_version(self._channel, _JOIN_SECONDS)
        except AuthenticationError:  # this process is to use a token, and has none
            raise _unjoinable(self._address, grpc.StatusCode.UNAUTHENTICATED) from None
        except grpc.RpcError as error:
            raise _unjoinable(self._address, error.code()) from None
        if version != ray.__version__:
            raise CannotRunError(
                f"a sweep and its cluster must run one version of Ray, but the cluster at {self._address} runs "
                f"{version} and this machine {ray.__version__}: install ray=={version} here"
            )

    def dashboard(self) -> str | None:
        """`host:port` of the cluster's dashboard, which takes jobs; None if it has none. CannotRunError as above."""
        try:
            return gcs_dashboard(self._channel, _JOIN_SECONDS) or None
        except grpc.RpcError as error:
            raise _unjoinable(self._address, error.code()) from None

    def is_open(self) -> bool:
        """Whether it also answers somebody without a token."""
        with grpc.insecure_channel(self._address) as channel:
            try:
                gcs_version(channel, _JOIN_SECONDS)
            except grpc.RpcError:
                return False
        return True

    def leave_if_silent(self) -> None:
        """End this process, with a message, if the control service does not answer for longer than a busy one would.

        No exception would do: the main thread is held by Ray's calls, until Ray itself ends the process with code 1.
        """
        try:
            gcs_version(self._channel, _SILENT_SECONDS, keep_trying=True)
        except grpc.RpcError:
            leave(cluster_lost(f"its head at {self._address} was silent for {_SILENT_SECONDS:g} s"))


def leave(error: TmcSweepError) -> NoReturn:
    """End this process, as after a kill, with what the error says."""
    say(error)
    os._exit(error.exit_code)


def token_refused(what_needs: str) -> CannotRunError:
    """The error of a cluster that refuses our token; `what_needs` is "joining … needs", say."""
    return CannotRunError(f"{what_needs} its token, but it refuses ours: copy the head's ~/.ray/auth_token to {TOKEN}")


def _unjoinable(address: str, code: grpc.StatusCode) -> CannotRunError:
    if code == grpc.StatusCode.UNAUTHENTICATED:
        return token_refused(f"joining the Ray cluster at {address} needs")
    why = f"none does within {_JOIN_SECONDS:g} s" if code == grpc.StatusCode.DEADLINE_EXCEEDED else "it does not"
    return CannotRunError(
        f"the head of a Ray cluster must answer at {address}, but {why}: check the address and that it runs "
        f"Ray {ray.__version__}"
    )
