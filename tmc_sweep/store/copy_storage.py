"""Where a published copy lies: a folder, or a bucket of an object store. Either holds whole files only."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
from pyarrow import fs

from tmc_sweep.errors import InputError, StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store import files
from tmc_sweep.store.lock import sweep_lock

_SCHEMES = ("s3", "gs")


def copy_storage(uri: str, sweep: str) -> "CopyStorage":
    """The place that the URI, or the path of a folder, names; asks no network. InputError if it names none."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # brackets around what is no address
        parts = urlsplit("")
    if parts.scheme in ("", "file") and not parts.netloc and parts.path:
        return Folder(SweepPaths(Path(parts.path if parts.scheme else uri), sweep))
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise InputError(
            f"a copy's place must be a folder, s3://BUCKET/PATH or gs://BUCKET/PATH, but got {uri!r}: name one of these"
        )
    if parts.password is not None:
        raise InputError(
            f"a copy's address must hold no secret, but that of {parts.hostname} does: give the key as the "
            "environment's AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in ~/.aws/credentials"
        )
    return Bucket(uri)


class Folder:
    """A folder, perhaps on a shared file system: laid out as a results folder, and read and written like one.

    Not by `pyarrow.fs`, which makes nothing durable, writes in place, and follows links and waits for pipes.
    """

    def __init__(self, copy: SweepPaths) -> None:
        self.copy = copy

    def held(self) -> AbstractContextManager[object]:
        """Be the one that writes inside, as a run would be; also removes what a killed writer left."""
        return sweep_lock(self.copy)

    def read(self, name: str) -> bytes | None:
        """The file of this name; None if there is no such file."""
        return files.read(self.copy.results / name)

    def write(self, name: str, content: bytes) -> None:
        """Let the file be this, durably; after a StorageError it is the old one or this one."""
        path = self.copy.results / name
        if path.parent.is_dir():
            files.write(path, content, self.copy.temporary)
        else:
            files.write_folder(path.parent, [(path.name, content)], self.copy.temporary)

    def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Those of the files that are there, and their bytes."""
        return {name: files.size(self.copy.results / name) for name in names if (self.copy.results / name).is_file()}

    def names(self, folder: str) -> list[str]:
        """The files in a folder; none if there is no such folder."""
        return files.names(self.copy.results / folder)


class Bucket:
    """A bucket of an object store, which shows an object once it is there whole. With the methods of a folder."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def held(self) -> AbstractContextManager[object]:
        """No object store has locks."""
        return nullcontext()

    def read(self, name: str) -> bytes | None:
        """The object of this name; None if there is no such object. What is replaced meanwhile may come torn."""
        with self._explained("read"):
            try:
                with self._store.open_input_file(name) as file:  # a stream is many requests
                    return bytes(file.read(file.size()))
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Let the object be this; after a StorageError it is the old one or this one."""
        with self._explained("written"), self._store.open_output_stream(name) as stream:
            stream.write(content)

    def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Those of the objects that are there, and their bytes."""
        with self._explained("read"):
            found = self._store.get_file_info(list(names)) if names else []
        return {name: info.size for name, info in zip(names, found, strict=True) if info.is_file}

    def names(self, folder: str) -> list[str]:
        """The objects in a folder; none if there is no such folder."""
        with self._explained("listed"):
            found = self._store.get_file_info(fs.FileSelector(folder, allow_not_found=True))
        return sorted(info.base_name for info in found if info.is_file)

    @cached_property
    def _store(self) -> fs.FileSystem:
        """What lies below the URI; asks the network for the bucket's region."""
        store, path = fs.FileSystem.from_uri(_in_one_request(self._uri))
        return fs.SubTreeFileSystem(path.rstrip("/"), store)

    @contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise StorageError(
                f"the copy at {without_query(self._uri)} cannot be {done} ({reason:.300}): check the address, the "
                "network and your credentials for it"
            ) from error


CopyStorage = Folder | Bucket  # files by name, as they are named relative to a results folder


def without_query(uri: str) -> str:
    """The URI as people say it."""
    return urlunsplit(urlsplit(uri)._replace(query="", fragment=""))


def _in_one_request(uri: str) -> str:
    """On S3, small files by one request instead of three, so that one broken off leaves no parts that cost."""
    parts = urlsplit(uri)
    if parts.scheme != "s3" or "allow_delayed_open" in parts.query:
        return uri
    return urlunsplit(parts._replace(query="&".join(filter(None, [parts.query, "allow_delayed_open=true"]))))
