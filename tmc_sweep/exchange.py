"""One exchange with a server, with one deadline and one size for all of it: from looking up its name to the last byte.

Limits of a single read are none: who sends a byte a second never breaks them.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp

_PIECE = 2**16


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    content: bytes


def exchange(method: str, url: str, *, seconds: float, most: int, follow: bool = False, **options: Any) -> Answer:
    """Ask, and have the whole answer; `follow` says whether it may send us elsewhere, `options` are aiohttp's.

    TimeoutError if that takes longer, ValueError if the answer has more bytes, OSError if there is none.
    """
    try:
        return asyncio.run(_exchange(method, url, seconds, most, {"allow_redirects": follow, **options}))
    except TimeoutError:
        raise TimeoutError(f"{url} did not end its answer within {seconds:g} s") from None
    except aiohttp.ClientError as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise ConnectionError(f"{url} does not answer ({why})") from None


async def _exchange(method: str, url: str, seconds: float, most: int, options: Mapping[str, Any]) -> Answer:
    whole, plain = aiohttp.ClientTimeout(total=seconds), {"Accept-Encoding": "identity"}
    async with (
        aiohttp.ClientSession(timeout=whole, trust_env=True, headers=plain) as session,
        session.request(method, url, **options) as response,
    ):
        content = bytearray()
        async for piece in response.content.iter_chunked(_PIECE):
            content += piece
            if len(content) > most:
                raise ValueError(f"its answer has more than {most} bytes")
        return Answer(response.status, bytes(content))
