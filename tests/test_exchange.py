"""A server that drips, never ends, or sends too much: each exchange with it ends, by one deadline and one size."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tmc_sweep.exchange import exchange

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket, threading.Event], None]], str]]:
    """serve(answer): the address of a server that lets this function answer, until it is told to leave."""
    leave, threads = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def start(answer: Callable[[socket.socket, threading.Event], None]) -> str:
            def work() -> None:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(2**16)
                    with suppress(OSError):  # the client is gone
                        answer(connection, leave)

            threads.append(threading.Thread(target=work))
            threads[0].start()
            return f"http://127.0.0.1:{listening.getsockname()[1]}/x"

        yield start
        leave.set()
        for each in threads:
            each.join()


def dripping(first: bytes) -> Callable[[socket.socket, threading.Event], None]:
    """Sends this, and then a byte at a time for ever."""

    def answer(connection: socket.socket, leave: threading.Event) -> None:
        connection.sendall(first)
        while not leave.wait(0.01):
            connection.sendall(b"a")

    return answer


def endless(connection: socket.socket, leave: threading.Event) -> None:
    connection.sendall(HEAD + b"\r\n")
    while not leave.is_set():
        connection.sendall(b"a" * 2**16)


@pytest.mark.parametrize("first", [HEAD[:15], HEAD, HEAD + b"\r\n"], ids=["status", "heads", "body"])
def test_who_drips_is_left_at_the_deadline(serve, first: bytes):
    with pytest.raises(TimeoutError, match=r"/x did not end its answer within 0\.3 s"):
        exchange("GET", serve(dripping(first)), seconds=0.3, most=10**6)


def test_who_never_ends_is_left_at_the_size(serve):
    with pytest.raises(ValueError, match="its answer has more than 100000 bytes"):
        exchange("GET", serve(endless), seconds=60, most=100_000)


def test_a_whole_answer_comes_whole(serve):
    body = b"b" * 100_000
    answer = HEAD + b"Content-Length: 100000\r\n\r\n" + body
    assert exchange("GET", serve(lambda there, _: there.sendall(answer)), seconds=60, most=100_000) == (200, body)


def test_an_answer_that_breaks_off_is_none(serve):
    with pytest.raises(OSError, match="does not answer"):
        exchange(
            "GET", serve(lambda there, _: there.sendall(HEAD + b"Content-Length: 9\r\n\r\nab")), seconds=60, most=9
        )


def test_nobody_is_followed_elsewhere_unasked(serve):
    elsewhere = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    assert exchange("GET", serve(lambda there, _: there.sendall(elsewhere)), seconds=60, most=9).status == 302
