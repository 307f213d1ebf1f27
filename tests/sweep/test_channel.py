"""The queue's order and answers, in this process; what Ray does with it is tested end to end."""

import asyncio

import pytest
from wait import HANGS_SECONDS

from tmc_sweep.store.messages import Ack, Failed
from tmc_sweep.sweep import channel
from tmc_sweep.sweep.channel import MessageQueue


def message(number: int) -> Failed:
    return Failed("0" * 12, number, "")


def test_posts_of_one_sender_are_collected_in_the_order_they_were_sent():
    async def scene() -> list[int]:
        box = MessageQueue()
        waiting = [asyncio.ensure_future(box.post(("a", number), [message(number)], True)) for number in (2, 0, 1)]
        await asyncio.sleep(0)
        posts = await box.collect(1.0)
        await box.answer({stamp: [Ack(refused=False)] for stamp, _ in posts})
        await asyncio.gather(*waiting)
        return [messages[0].attempt for _, messages in posts]

    assert asyncio.run(scene()) == [0, 1, 2]


def test_a_post_waits_for_one_sent_before_it_and_other_senders_do_not():
    async def scene() -> list[str]:
        box = MessageQueue()
        posts = [box.post(stamp, [message(0)], True) for stamp in (("a", 1), ("b", 0))]
        waiting = [asyncio.ensure_future(post) for post in posts]
        await asyncio.sleep(0)
        senders = [stamp[0] for stamp, _ in await box.collect(1.0)]
        for task in waiting:
            task.cancel()
        return senders

    assert asyncio.run(scene()) == ["b"]


def test_what_is_not_urgent_waits_for_others_only_after_a_commit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(channel, "COMMIT_SECONDS", 3600.0)

    async def scene() -> list[list[str]]:
        box, waiting = MessageQueue(), []

        async def collected(*posts: tuple[str, bool]) -> list[str]:
            waiting.extend(asyncio.ensure_future(box.post((name, 0), [message(0)], urgent)) for name, urgent in posts)
            await asyncio.sleep(0)
            return [stamp[0] for stamp, _ in await asyncio.wait_for(box.collect(1.0), HANGS_SECONDS)]

        found = [await collected(("a", False)), await collected(("b", False), ("c", True))]
        for task in waiting:
            task.cancel()
        return found

    assert asyncio.run(scene()) == [["a"], ["b", "c"]]


def test_who_collects_can_be_woken():
    async def scene() -> list[object]:
        box = MessageQueue()
        collecting = asyncio.ensure_future(box.collect(3600.0))
        await asyncio.sleep(0)
        await box.wake()
        return list(await asyncio.wait_for(collecting, HANGS_SECONDS))

    assert asyncio.run(scene()) == []


def test_training_processes_learn_that_the_driver_is_stopping():
    async def scene() -> list[bool]:
        box = MessageQueue()
        answers = [await box.stopping()]
        for stopping in (False, True):
            await box.collect(0.0, stopping)
            answers.append(await box.stopping())
        return answers

    assert asyncio.run(scene()) == [False, False, True]


def test_an_answer_to_a_sender_that_is_gone_is_dropped():
    async def scene() -> None:
        box = MessageQueue()
        post = asyncio.ensure_future(box.post(("a", 0), [message(0)], True))
        await asyncio.sleep(0)
        post.cancel()
        await asyncio.sleep(0)
        await box.answer({("a", 0): [Ack(refused=False)]})

    asyncio.run(scene())
