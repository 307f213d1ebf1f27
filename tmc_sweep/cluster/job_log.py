"""A job's log, shown as it grows until the job has ended, over a connection that may break and come back."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aiohttp import ClientError

from tmc_sweep.cluster.jobs import Job, refreshed
from tmc_sweep.cluster.server import JobServer, asking

_SILENT_SECONDS = 15.0  # without a new line, after which the server is asked whether it is still there
_AGAIN_SECONDS = 1.0  # before a broken connection is made again


def log_of(server: JobServer, job: Job) -> str:
    """All that the job has written so far; CannotRunError as `server.asking`."""
    with asking(server):
        return str(server.get_job_logs(job.id))


def follow(server: JobServer, job: Job, show: Callable[[str], None], last: int | None = None) -> Job:
    """Show the job's log until the job has ended, and return the job as it then is.

    It is shown from its beginning, or from its `last` lines on. CannotRunError if the server is gone for longer than a
    request may take.
    """
    skipped = [] if last is None else log_of(server, job).splitlines(keepends=True)[:-last]
    return asyncio.run(_follow(server, job, Shown(show, sum(map(len, skipped)))))


async def _follow(server: JobServer, job: Job, shown: "Shown") -> Job:
    while True:
        with suppress(ClientError, RuntimeError):  # broken off
            await _tail(server, job, shown)
        job = await asyncio.to_thread(refreshed, server, job)
        if not job.active:
            return job
        await asyncio.sleep(_AGAIN_SECONDS)


async def _tail(server: JobServer, job: Job, shown: "Shown") -> None:
    """Show the log over one connection, until it breaks or the job ends. Ray sends the log from its beginning."""
    shown.rewind()
    lines = server.tail_job_logs(job.id)
    while True:
        piece = asyncio.ensure_future(anext(lines))
        while not (await asyncio.wait([piece], timeout=_SILENT_SECONDS))[0]:
            await asyncio.to_thread(refreshed, server, job)
        try:
            shown.add(piece.result())
        except StopAsyncIteration:
            return


class Shown:
    """Shows a growing text that is read from its beginning more than once: each character of it is shown once.

    The first `skipped` characters are not shown.
    """

    def __init__(self, show: Callable[[str], None], skipped: int) -> None:
        self._show = show
        self._shown = skipped
        self._read = 0

    def rewind(self) -> None:
        """Take note that what comes next is the text's beginning."""
        self._read = 0

    def add(self, text: str) -> None:
        """Take the next piece of the text, and show what of it was not shown before."""
        new = text[max(0, self._shown - self._read) :]
        self._read += len(text)
        self._shown = max(self._shown, self._read)
        if new:
            self._show(new)
