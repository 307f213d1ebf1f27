"""The channel between training processes and the writer: an actor that holds letters until the driver answers them.

The driver is no actor, so nobody can call it; it asks this one instead. Everything travels through Ray, so a cluster
needs no shared disk. The actor keeps nothing that matters: if it dies, the sweep resumes from the tables.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tmc_sweep.sweep.letters import Begin, Letter, Reply, Stored

COMMIT_SECONDS = 0.5  # letters that arrive within it share a commit
_UNANSWERED = 4  # posts a training process may be ahead of the writer


class Mailbox:
    """Asynchronous actor. A post waits for its answer; the driver collects posts and answers them."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[list[Reply]]] = {}
        self._posts: list[tuple[int, Sequence[Letter]]] = []
        self._arrived = asyncio.Event()
        self._urgent = asyncio.Event()
        self._count = 0

    async def post(self, letters: Sequence[Letter], urgent: bool) -> list[Reply]:
        """Replies to the letters, once the driver has acted on them."""
        self._count += 1
        answer: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()
        self._waiting[self._count] = answer
        self._posts.append((self._count, letters))
        self._arrived.set()
        if urgent:
            self._urgent.set()
        return await answer

    async def collect(self, wait_seconds: float) -> list[tuple[int, Sequence[Letter]]]:
        """The posts so far, in order; waits for one, then for others to share its commit unless it is urgent."""
        if await _within(self._arrived, wait_seconds):
            await _within(self._urgent, COMMIT_SECONDS)
        posts, self._posts = self._posts, []
        self._arrived.clear()
        self._urgent.clear()
        return posts

    async def answer(self, replies: Mapping[int, list[Reply]]) -> None:
        """Let the posts with these numbers return."""
        for number, reply in replies.items():
            self._waiting.pop(number).set_result(reply)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def open_mailbox() -> Any:
    """A mailbox on the driver's own node."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(Mailbox).options(num_cpus=0, max_concurrency=10_000, scheduling_strategy=here).remote()


class MailboxChannel:
    """A training process's end of the mailbox."""

    def __init__(self, mailbox: Any) -> None:
        self._mailbox = mailbox
        self._unanswered: deque[Any] = deque()
        self._go_on = True

    def ask(self, letters: Sequence[Letter]) -> list[Reply]:
        """Send, and wait until the letters are acted on and durable."""
        return list(ray.get(self._post(letters)))

    def send(self, letters: Sequence[Letter]) -> bool:
        """Send without waiting, but at most a few posts ahead of the writer; whether to go on."""
        self._unanswered.append(self._post(letters))
        return self._settle(_UNANSWERED)

    def flush(self) -> bool:
        """Wait until all that was sent is durable, which an empty post hurries; whether to go on."""
        self._unanswered.append(self._post([]))
        return self._settle(0)

    def _post(self, letters: Sequence[Letter]) -> Any:
        urgent = not letters or isinstance(letters[0], Begin)
        return self._mailbox.post.remote(letters, urgent)

    def _settle(self, at_most: int) -> bool:
        while len(self._unanswered) > at_most:
            replies: list[Reply] = ray.get(self._unanswered.popleft())
            self._go_on &= all(reply.go_on for reply in replies if isinstance(reply, Stored))
        return self._go_on


class Postman(threading.Thread):
    """The driver's end: hands each batch of letters to the writer, and answers them once they are durable."""

    def __init__(
        self, mailbox: Any, deliver: Callable[[list[Letter]], list[Reply]], on_error: Callable[[], None]
    ) -> None:
        super().__init__(name="tmc-sweep-writer", daemon=True)
        self._mailbox = mailbox
        self._deliver = deliver
        self._on_error = on_error
        self._closing = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        """Deliver until closed and empty, or until the first error, which ends the sweep."""
        try:
            while self._round() or not self._closing.is_set():
                pass
        except Exception as error:
            self.error = error
            self._on_error()

    def close(self) -> None:
        """Deliver what has arrived, then end; raises what went wrong."""
        self._closing.set()
        self.join()
        if self.error is not None:
            raise self.error

    def _round(self) -> bool:
        posts = ray.get(self._mailbox.collect.remote(0.0 if self._closing.is_set() else 1.0))
        replies = iter(self._deliver([letter for _, letters in posts for letter in letters]))
        answers = {number: [next(replies) for _ in letters] for number, letters in posts}
        ray.get(self._mailbox.answer.remote(answers))
        return bool(posts)
