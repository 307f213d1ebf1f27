"""The channel between training processes and the writer, by Ray.

Training processes, on any node, must reach the writer, which is in the driver's process. The driver is no actor of Ray,
so nobody can call it. Both therefore call an actor between them: a training process posts messages to the
`MessageQueue` (through a `QueueChannel`), and a thread of the driver, the `Dispatcher`, collects them there, hands them
to the writer, and answers. Everything travels through Ray, so a cluster needs no shared disk. The actor keeps nothing
that matters: if it dies, the sweep is resumed from its tables.
"""

import asyncio
import math
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tmc_sweep.store.messages import Ack, Message, Reply, StartTrial

COMMIT_SECONDS = 0.5  # between two commits, of messages that are not urgent
_ABANDON_SECONDS = 5.0  # that an abandoned dispatcher has for its last round, which takes about one
_STOP_SECONDS = 0.5  # between two questions of a training process whether the sweep is being stopped
_UNANSWERED = 4  # posts by which a training process may be ahead of the writer


Stamp = tuple[str, int]  # a sender's name, and the number of its post, from 0


class MessageQueue:
    """The actor between training processes and the driver: a post waits here for the driver's answer.

    It is asynchronous: thousands of posts may wait at the same time.
    """

    def __init__(self) -> None:
        self._waiting: dict[Stamp, asyncio.Future[list[Reply]]] = {}
        self._early: dict[Stamp, Sequence[Message]] = {}
        self._expected: defaultdict[str, int] = defaultdict(int)
        self._posts: list[tuple[Stamp, Sequence[Message]]] = []
        self._arrived = asyncio.Event()
        self._urgent = asyncio.Event()
        self._collected = -math.inf
        self._stopping = False
        self._packs: dict[int, Any] = {}

    async def post(self, stamp: Stamp, messages: Sequence[Message], urgent: bool) -> list[Reply]:
        """The replies to these messages, once the driver has acted on them.

        An `urgent` post does not wait for others to share its commit. Ray may deliver a large post, with checkpoints,
        after a small one that was sent later; so each post waits here for those that its sender sent before.
        """
        answer: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()
        self._waiting[stamp] = answer
        self._early[stamp] = messages
        sender = stamp[0]
        while (due := (sender, self._expected[sender])) in self._early:
            self._posts.append((due, self._early.pop(due)))
            self._expected[sender] += 1
            self._arrived.set()
        if urgent:
            self._urgent.set()
        return await answer

    async def put_packs(self, packs: Mapping[int, Any]) -> None:
        """Keep references to these packs, by number, for the processes that will train them.

        References, since the packs themselves would have to be unpickled here, for which torch would be imported.
        """
        self._packs |= packs

    async def pack(self, number: int) -> Any:
        """The reference to the pack of this number."""
        return self._packs[number]

    async def stopping(self) -> bool:
        """Whether the driver, when it last collected, was stopping the sweep."""
        return self._stopping

    async def collect(self, wait_seconds: float, stopping: bool = False) -> list[tuple[Stamp, Sequence[Message]]]:
        """The posts that have arrived, each sender's in order; none if none arrives within `wait_seconds`.

        Unless one is urgent, it waits until half a second has passed since it last gave some: they share a commit.
        """
        self._stopping = stopping
        if await _within(self._arrived, wait_seconds):
            await _within(self._urgent, self._collected + COMMIT_SECONDS - time.monotonic())
            self._collected = time.monotonic()
        posts, self._posts = self._posts, []
        self._arrived.clear()
        self._urgent.clear()
        return posts

    async def wake(self) -> None:
        """Let who collects wait no longer."""
        self._arrived.set()
        self._urgent.set()

    async def answer(self, replies: Mapping[Stamp, list[Reply]]) -> None:
        """Let the posts with these stamps return these replies."""
        for stamp, reply in replies.items():
            waiting = self._waiting.pop(stamp)
            if not waiting.done():  # its sender may be gone
                waiting.set_result(reply)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def open_queue() -> Any:
    """A new MessageQueue, as an actor on the driver's own node."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(MessageQueue).options(num_cpus=0, max_concurrency=10_000, scheduling_strategy=here).remote()


class QueueChannel:
    """A training process's end of the queue: the `Channel` that a PackRun is given on Ray."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self._sender = secrets.token_hex(8)
        self._posted = 0
        self._unanswered: deque[tuple[Sequence[Message], Any]] = deque()
        self._refused: set[str] = set()
        self._stopping = False
        self._question: Any = None
        self._asked = time.monotonic()

    @property
    def refused(self) -> Set[str]:
        """The trials whose messages were refused, by the replies so far."""
        return self._refused

    @property
    def stopping(self) -> bool:
        """Whether the sweep is being stopped; known within two seconds, and cheap enough to ask at each minibatch."""
        if not self._stopping and time.monotonic() - self._asked >= _STOP_SECONDS:
            self._asked = time.monotonic()
            if self._question is None:
                self._question = self._queue.stopping.remote()
            elif ray.wait([self._question], timeout=0)[0]:
                self._stopping, self._question = ray.get(self._question), None
        return self._stopping

    def ask(self, messages: Sequence[Message]) -> list[Reply]:
        """Send, and wait until the messages are acted on and durable."""
        return list(ray.get(self._post(messages)))

    def send(self, messages: Sequence[Message]) -> None:
        """Send without waiting, but at most a few posts ahead of the writer."""
        self._unanswered.append((messages, self._post(messages)))
        self._settle(_UNANSWERED)

    def flush(self) -> None:
        """Wait until all that was sent is durable. An empty post, which is urgent, hurries the writer."""
        self._unanswered.append(([], self._post([])))
        self._settle(0)

    def _post(self, messages: Sequence[Message]) -> Any:
        urgent = not messages or isinstance(messages[0], StartTrial)
        self._posted += 1
        return self._queue.post.remote((self._sender, self._posted - 1), messages, urgent)

    def _settle(self, at_most: int) -> None:
        while len(self._unanswered) > at_most:
            messages, answer = self._unanswered.popleft()
            replies: list[Reply] = ray.get(answer)
            for message, reply in zip(messages, replies, strict=True):
                if isinstance(reply, Ack) and reply.refused:
                    self._refused.add(message.trial_id)


class Dispatcher(threading.Thread):
    """The driver's end of the queue: a thread that hands each batch of messages to the writer, and answers them.

    `deliver` is the writer's, and returns once the messages are durable. `on_error` is called at the first error, which
    is kept as `error` and ends the thread. `stopping` says whether the sweep is being stopped.
    """

    def __init__(
        self,
        queue: Any,
        deliver: Callable[[list[Message]], list[Reply]],
        on_error: Callable[[], None],
        stopping: Callable[[], bool],
    ) -> None:
        super().__init__(name="tmc-sweep-writer", daemon=True)
        self._queue = queue
        self._deliver = deliver
        self._on_error = on_error
        self._stopping = stopping
        from tmc_sweep.sweep.control_service import ControlService  # which the queue and who trains do without

        self._control = ControlService(ray.get_runtime_context().gcs_address)
        self._closing = threading.Event()
        self._abandoned = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        """Deliver messages until closed and none are left, or until the first error."""
        try:
            while not self._abandoned.is_set() and (self._round() or not self._closing.is_set()):
                pass
        except BaseException as error:  # also SystemExit, which a view may raise: else the trials would wait for ever
            self.error = error
            self._on_error()
            self._end()  # training processes that wait for an answer get an error

    def close(self) -> None:
        """Deliver what has arrived, then end; raises the thread's error, if it had one."""
        self._closing.set()
        self._queue.wake.remote()
        self.join()
        self._end()
        if self.error is not None:
            raise self.error

    def abandon(self) -> None:
        """End without delivering what is left: Ray is about to go, and a call after that would start another Ray."""
        self._abandoned.set()
        self.join(_ABANDON_SECONDS)
        self._end()

    def _end(self) -> None:
        """Kill the queue's actor, which would otherwise outlive the sweep in a Ray that goes on."""
        with suppress(Exception):
            if ray.is_initialized():
                ray.kill(self._queue)

    def _round(self) -> bool:
        self._control.leave_if_silent()
        posts = ray.get(self._queue.collect.remote(0.0 if self._closing.is_set() else 1.0, self._stopping()))
        replies = iter(self._deliver([message for _, messages in posts for message in messages]))
        answers = {stamp: [next(replies) for _ in messages] for stamp, messages in posts}
        ray.get(self._queue.answer.remote(answers))
        return bool(posts)
