"""Where a published copy lies: a folder, or a bucket of an object store.

`copy_storage` makes one of the two of a URI. Both have the same methods, name files relative to a results folder, and
show a file only once all of it is there.
"""

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
    """The storage that a URI, or a folder's path, names, for the copy of the sweep of this name.

    Asks no network. InputError if the URI names neither a folder nor a bucket, or has a password in it.
    """
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
    """A copy in a folder, perhaps on a shared file system; it is laid out like a results folder.

    It is written by store/files.py and not by `pyarrow.fs`, which makes nothing durable, writes in place, follows links
    and waits for pipes.
    """

    def __init__(self, copy: SweepPaths) -> None:
        self.copy = copy

    def held(self) -> AbstractContextManager[object]:
        """Inside, this process is the copy's one writer, as a run would be; removes what a killed writer left."""
        return sweep_lock(self.copy)

    def read(self, name: str) -> bytes | None:
        """The content of the file of this name; None if there is no such file."""
        return files.read(self.copy.results / name)

    def write(self, name: str, content: bytes) -> None:
        """Let the file of this name hold the content, durably; after a StorageError it is the old one or this one."""
        path = self.copy.results / name
        if path.parent.is_dir():
            files.write(path, content, self.copy.temporary)
        else:
            files.write_folder(path.parent, [(path.name, content)], self.copy.temporary)

    def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Those of the files that are there, with their sizes in bytes."""
        return {name: files.size(self.copy.results / name) for name in names if (self.copy.results / name).is_file()}

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder; none if there is no such folder."""
        return files.names(self.copy.results / folder)


class Bucket:
    """A copy in a bucket of an object store, S3 or Google Cloud Storage, through `pyarrow.fs`.

    StorageError, which names the address, wherever the store or the network fails.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def held(self) -> AbstractContextManager[object]:
        """Nothing is held: object stores have no locks."""
        return nullcontext()

    def read(self, name: str) -> bytes | None:
        """The content of the object of this name; None if there is none. One that is replaced meanwhile may be torn."""
        with self._explained("read"):
            try:
                with self._store.open_input_file(name) as file:  # one request; a stream makes many
                    return bytes(file.read(file.size()))
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Let the object of this name hold the content; after a StorageError it is the old one or this one."""
        with self._explained("written"), self._store.open_output_stream(name) as stream:
            stream.write(content)

    def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Those of the objects that are there, with their sizes in bytes."""
        with self._explained("read"):
            found = self._store.get_file_info(list(names)) if names else []
        return {name: info.size for name, info in zip(names, found, strict=True) if info.is_file}

    def names(self, folder: str) -> list[str]:
        """The names of the objects in a folder; none if there is no such folder."""
        with self._explained("listed"):
            found = self._store.get_file_info(fs.FileSelector(folder, allow_not_found=True))
        return sorted(info.base_name for info in found if info.is_file)

    @cached_property
    def _store(self) -> fs.FileSystem:
        """The file system below the URI; asks the network for the bucket's region."""
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


CopyStorage = Folder | Bucket


def without_query(uri: str) -> str:
    """The URI as messages show it: without its query, which holds options."""
    return urlunsplit(urlsplit(uri)._replace(query="", fragment=""))


def _in_one_request(uri: str) -> str:
    """The URI with the option that S3 needs to store a small file by one request.

    By three, as it would be otherwise, a broken connection leaves parts of an upload, which are paid for and not seen.
    """
    parts = urlsplit(uri)
    if parts.scheme != "s3" or "allow_delayed_open" in parts.query:
        return uri
    return urlunsplit(parts._replace(query="&".join(filter(None, [parts.query, "allow_delayed_open=true"]))))
