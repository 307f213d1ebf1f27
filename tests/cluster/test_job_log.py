"""Following a log over connections that break off or say nothing."""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientError
from ray.job_submission import JobDetails

from tmc_sweep.cluster import job_log
from tmc_sweep.cluster.job_log import follow
from tmc_sweep.cluster.jobs import _job
from tmc_sweep.errors import CannotRunError


@dataclass
class Server:
    """Says each of these in one connection: texts, errors to raise; a number: silence until it was asked so often."""

    connections: list[list[Any]]
    asked: int = 0
    gone: bool = False
    said: list[str] = field(default_factory=list)

    def get_job_logs(self, _: str) -> str:
        return "".join(piece for piece in self.connections[0] if isinstance(piece, str))

    async def tail_job_logs(self, _: str) -> AsyncIterator[str]:
        for piece in self.connections.pop(0):
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, float):
                while self.asked < piece:
                    await asyncio.sleep(0.01)
            else:
                yield piece

    def get_job_info(self, _: str) -> JobDetails:
        self.asked += 1
        if self.gone:
            raise ConnectionError
        status = "RUNNING" if self.connections else "SUCCEEDED"
        metadata = {"tmc_sweep": "x"}
        return JobDetails(
            type="SUBMISSION", submission_id="tmc-sweep-x-1", status=status, entrypoint="", metadata=metadata
        )

    def get_address(self) -> str:
        return "http://there"

    def follow(self, last: int | None = None) -> None:
        job = _job(self.get_job_info(""))
        assert job
        assert follow(self, job, self.said.append, last).state == "succeeded"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_log, "_AGAIN_SECONDS", 0)
    monkeypatch.setattr(job_log, "_SILENT_SECONDS", 0.05)


@pytest.mark.parametrize("error", [RuntimeError("closed unexpectedly"), ClientError()])
def test_after_a_break_nothing_is_shown_twice_and_nothing_is_missing(error: Exception):
    server = Server([["one\n", "two", error], [error], ["on", "e\ntw", "o\nthree\n"]])
    server.follow()
    assert "".join(server.said) == "one\ntwo\nthree\n"


@pytest.mark.parametrize(("last", "text"), [(2, "three\nfo"), (3, "two\nthree\nfo"), (9, "one\ntwo\nthree\nfo")])
def test_who_joins_sees_the_last_lines_and_what_is_new(last: int, text: str):
    log = ["one\n", "two\nthree\n", "fo"]
    server = Server([[*log, ClientError()], [*log, "ur\n"]])
    server.follow(last)
    assert "".join(server.said) == text + "ur\n"


def test_a_silent_connection_is_waited_for_while_the_server_is_there():
    server = Server([["one\n", 4.0, "two\n"]])
    server.follow()
    assert "".join(server.said) == "one\ntwo\n"
    assert server.asked > 4


def test_a_server_that_is_gone_ends_it():
    server = Server([["one\n", math.inf]])
    job = _job(server.get_job_info(""))
    assert job
    server.gone = True
    with pytest.raises(CannotRunError, match="a Ray cluster's job server must answer at http://there, but none does"):
        follow(server, job, server.said.append)
    assert server.said == ["one\n"]
