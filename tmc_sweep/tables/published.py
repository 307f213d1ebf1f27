"""A sweep's tables, kept up to date in a second place, and brought back from there. Without its checkpoints.

A reader of the copy sees whole files, and no trial that counts epochs which are not there: the trial table is read
before the epochs are, and written after them. What the copy holds is in an index there, so that a run copies only what
an earlier one did not; it is written last, and what it does not know is copied again.
"""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import NamedTuple

from tmc_sweep.errors import InputError, StorageError
from tmc_sweep.paths import SweepPaths, part_number
from tmc_sweep.tables import files
from tmc_sweep.tables.copies import adopt
from tmc_sweep.tables.manifest import read_manifest
from tmc_sweep.tables.places import Folder, Place, place, without_query
from tmc_sweep.tables.read import part_files
from tmc_sweep.tables.schema import damaged, is_whole

_READS = 3
_Stamp = tuple[int, int, int]


class _Copied(NamedTuple):
    """What the copy has of a file."""

    sha256: str
    size: int


class _Changed(NamedTuple):
    """A file that the copy lacks, or has in another state."""

    name: str
    content: bytes
    copied: _Copied
    stamp: _Stamp


class Publication:
    """The copy of one sweep at a URI."""

    def __init__(self, paths: SweepPaths, uri: str) -> None:
        """InputError if the URI names no place, or the sweep's own."""
        self._place = place(uri, paths.name)
        self.uri = without_query(uri)
        self.n_copied = 0  # files so far
        self._paths = paths
        self._looked = False  # at what the copy has
        self._known: dict[str, _Copied] = {}  # to be in the copy
        self._index: dict[str, _Copied] = {}  # the same, as it is stored there
        self._stamps: dict[str, _Stamp] = {}  # of the files that are known to be as in the copy
        if isinstance(self._place, Folder) and self._place.copy.results == paths.results:
            raise InputError(f"a copy must lie elsewhere than {paths.results}, which it is of: choose another place")

    def update(self) -> None:
        """Copy what has changed and is whole; StorageError if that fails, SweepBusyError if another writes the copy."""
        manifest = read_manifest(self._paths)
        if manifest is None:  # the sweep is about to begin
            return
        with self._place.held():
            if not self._looked:
                self._known = self._opened(manifest.sweep_id)
                self._index, self._looked = dict(self._known), True
            self._copy(self._changed(self._paths.manifest))
            tables = [self._changed(path) for path in self._paths.tables]  # before the epochs
            for path in part_files(self._paths):
                self._copy(self._changed(path))
            for table in tables:
                self._copy(table)
            if self._known != self._index:
                self._place.write(self._name(self._paths.published), json.dumps(self._known).encode())
                self._index = dict(self._known)

    def _opened(self, sweep_id: str) -> dict[str, _Copied]:
        """What the copy has; StorageError if it is of another sweep than this."""
        theirs = self._read_id()
        if theirs not in (None, sweep_id):
            raise StorageError(
                f"{self.uri} must be free or hold this sweep's copy, but has another sweep named {self._paths.name!r}: "
                "publish elsewhere, or move it away"
            )
        content = self._place.read(self._name(self._paths.published)) if theirs else None
        try:
            known = {name: _Copied(str(sha), int(size)) for name, (sha, size) in json.loads(content or b"{}").items()}
        except (ValueError, TypeError, AttributeError):
            known = {}
        sizes = self._place.sizes(list(known))
        return {name: copied for name, copied in known.items() if sizes.get(name) == copied.size}

    def _read_id(self) -> str | None:
        """The sweep whose files are there; None if there are none."""
        content = self._place.read(self._name(self._paths.manifest))
        try:
            if content is not None:
                return str(json.loads(content)["sweep_id"])
        except (ValueError, TypeError, KeyError):
            return ""
        return "" if self._place.names(self._paths.name) else None

    def _changed(self, path: Path) -> _Changed | None:
        name, stamp = self._name(path), _stamp(path)  # an earlier look: what comes since is seen at the next
        if self._stamps.get(name) == stamp:
            return None
        content = files.read(path)
        if stamp is None or content is None:
            return None
        if path.suffix == ".parquet" and not is_whole(content):
            raise damaged(path, "it is damaged (its SHA-256 is not the one it carries)")
        changed = _Changed(name, content, _Copied(hashlib.sha256(content).hexdigest(), len(content)), stamp)
        if self._known.get(name) != changed.copied:
            return changed
        self._stamps[name] = stamp
        return None

    def _copy(self, changed: _Changed | None) -> None:
        if changed is not None:
            self._known.pop(changed.name, None)  # until it is there
            self._place.write(changed.name, changed.content)
            self._known[changed.name] = changed.copied
            self._stamps[changed.name] = changed.stamp
            self.n_copied += 1

    def _name(self, path: Path) -> str:
        return path.relative_to(self._paths.results).as_posix()


def fetch(uri: str, paths: SweepPaths) -> None:
    """Let the sweep `paths` be as its copy at the URI is, less checkpoints.

    InputError if there is no such copy, or the sweep here is another one or has rows that it lacks, SweepBusyError if
    a run holds the sweep, StorageError if the copy is damaged or cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="tmc_sweep-fetch-") as folder:
        copy = SweepPaths(Path(folder), paths.name)
        _download(uri, copy)
        adopt(copy, paths)


def _download(uri: str, copy: SweepPaths) -> None:
    source = place(uri, copy.name)
    wanted = [*copy.tables, copy.manifest]  # before the epochs, which may go on meanwhile
    found = {path: _read(source, path.relative_to(copy.results).as_posix()) for path in wanted}
    parts = [name for name in source.names(copy.name) if part_number(name) is not None]
    if not parts:
        raise InputError(
            f"{without_query(uri)} must hold a copy of the sweep {copy.name!r}, but has none: check the address and "
            "the name, or publish it with `tmc-sweep run FILE --publish`"
        )
    found |= {copy.epochs / name: _read(source, f"{copy.name}/{name}") for name in parts}
    for path, content in found.items():
        if content is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _read(source: Place, name: str) -> bytes | None:
    """The file, again if it is not whole: it may be replaced while it is read."""
    for _ in range(_READS):
        content = source.read(name)
        if content is None or not name.endswith(".parquet") or is_whole(content):
            return content
    raise StorageError(f"the copy's {name} must be as tmc_sweep wrote it, but is damaged: publish it again")


def _stamp(path: Path) -> _Stamp | None:
    """What changes whenever a file is replaced; None if there is none."""
    with files.explained("read", path):
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
    return (found.st_ino, found.st_mtime_ns, found.st_size)
