"""An object store of our own on 127.0.0.1, moto's, behind a line that can be cut."""

import os
import select
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pyarrow import fs

BUCKET = "results"


class Line:
    """Carries bytes to a server, unless it is cut: at once, or once so many more have been sent."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.left: float = float("inf")  # bytes that the client may still send
        self._carrying = threading.Thread(target=self._accept, daemon=True)
        self._carrying.start()

    def cut(self, after: float = 0) -> None:
        self.left = after

    def mend(self) -> None:
        self.left = float("inf")

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(self._server) as server:
            while self.left > 0:
                for ready in select.select([client, server], [], [], 0.05)[0]:
                    data = ready.recv(65536)
                    self.left -= len(data) if ready is client else 0
                    if not data or self.left <= 0:
                        return
                    (server if ready is client else client).sendall(data)


@contextmanager
def bucket() -> Iterator[tuple[str, Line]]:
    """The URI of a new place in a bucket, and the line to it. Moto keeps buckets while the process lives."""
    from moto.server import ThreadedMotoServer

    os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing", AWS_EC2_METADATA_DISABLED="true")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    line = Line(server.get_host_and_port()[1])
    endpoint = f"127.0.0.1:{line.port}"
    fs.S3FileSystem(endpoint_override=endpoint, scheme="http", allow_bucket_creation=True).create_dir(BUCKET)
    try:
        yield f"s3://{BUCKET}/{uuid.uuid4().hex}?endpoint_override={endpoint}&scheme=http", line
    finally:
        line.close()
        server.stop()
