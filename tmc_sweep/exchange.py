"""One exchange with a server, under one deadline and one limit of size: from looking up its name to the last byte.

HTTP libraries limit the time of a single read, which a server that sends a byte a second never exceeds. Here the limits
are for the whole exchange, whatever the server does. Downloads of data sets and requests to job servers use it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp

_PIECE = 2**16


class Answer(NamedTuple):
    """A server's answer: the HTTP status and the whole body."""

    status: int
    content: bytes


def exchange(method: str, url: str, *, seconds: float, most: int, follow: bool = False, **options: Any) -> Answer:
    """The whole answer to one HTTP request.

    `seconds` is the deadline and `most` the limit in bytes. `follow` says whether redirects are followed; `options`
    are those of aiohttp's `request`, such as `headers`.

    Raises TimeoutError past the deadline, ValueError beyond the size, and OSError if the server does not answer.
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
