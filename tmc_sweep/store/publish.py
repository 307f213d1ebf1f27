"""A sweep's tables, kept up to date in a second place, and brought back from there. Without its checkpoints.

A reader of the copy sees whole files, and no trial that counts epochs which are not there: the trial table is read
before the epochs are, and written after them. What the copy holds is in an index there, so that a run copies only what
an earlier one did not; it is written last, and what it does not know is copied again.
"""

import hashlib
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from tmc_sweep.errors import DamagedError, InputError, StorageError
from tmc_sweep.paths import SweepPaths, part_number
from tmc_sweep.store import files, sealed_json
from tmc_sweep.store.copy_storage import CopyStorage, Folder, copy_storage, without_query
from tmc_sweep.store.manifest import Manifest, of_copy, parse_manifest, read_manifest
from tmc_sweep.store.parquet import is_whole
from tmc_sweep.store.present import part_files
from tmc_sweep.store.pull import adopt, not_whole
from tmc_sweep.store.seal import damaged

VERSION = 2  # of a copy's index; 1, of 0.1.0: a mapping, without a version
_READS = 3
_Stamp = tuple[int, int, int]


class _Copied(NamedTuple):
    """What the copy has of a file."""

    sha256: str
    size: int


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class _Index:
    """What `.tmc/<sweep>/published.json` of a copy holds, by file."""

    format_version: int
    files: Mapping[str, _Copied]


_KIND = TypeAdapter(_Index)
_FIRST = TypeAdapter(Mapping[str, _Copied])


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
        self._place = copy_storage(uri, paths.name)
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
            speaking_first = reversed(self._paths.tables)  # before the epochs: what is spoken of may go on meanwhile
            tables = [self._changed(path) for path in speaking_first]
            for path in part_files(self._paths):
                if changed := self._changed(path):
                    self._copy(self._changed(self._paths.manifest))  # has what was decided of the part's epochs
                    self._copy(changed)
            for table in (self._changed(self._paths.manifest), *reversed(tables)):
                self._copy(table)
            if self._known != self._index:
                index = sealed_json.dump(_Index(VERSION, self._known), _KIND)
                self._place.write(self._name(self._paths.published), index)
                self._index = dict(self._known)

    def _opened(self, sweep_id: str) -> dict[str, _Copied]:
        """What the copy has; StorageError if there is something else than a copy of this sweep."""
        what, there = "", None
        try:
            there = self._manifest_there()
        except DamagedError:
            what = "a damaged manifest"
        if there is None:
            what = what or ("epochs without a manifest" if self._place.names(self._paths.name) else "")
        elif there.sweep_id != sweep_id:
            what = f"another sweep named {self._paths.name!r}"
        else:
            what = "" if there.leaves_out or there.format_version == 1 else "the sweep itself, or a copy that was run"
        if what:
            raise StorageError(
                f"{self.uri} must be free or hold this sweep's copy, but has {what}: publish elsewhere, or move it away"
            )
        content = self._place.read(self._name(self._paths.published)) if there else None
        known = {} if content is None else _index_in(self._paths.published, content)
        sizes = self._place.sizes(list(known))
        return {name: copied for name, copied in known.items() if sizes.get(name) == copied.size}

    def _manifest_there(self) -> Manifest | None:
        content = self._place.read(self._name(self._paths.manifest))
        return None if content is None else parse_manifest(self._paths.manifest, content)

    def _changed(self, path: Path) -> _Changed | None:
        name, stamp = self._name(path), _stamp(path)  # an earlier look: what comes since is seen at the next
        if self._stamps.get(name) == stamp:
            return None
        content = files.read(path)
        if stamp is None or content is None:
            return None
        if path == self._paths.manifest:
            content = of_copy(path, content)
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


def _index_in(path: Path, content: bytes) -> Mapping[str, _Copied]:
    """What an index says; nothing if it is damaged, so that all is copied again. NewerError if it is newer."""
    with suppress(ValidationError):
        return _FIRST.validate_json(content, strict=True)
    with suppress(DamagedError):
        return sealed_json.parse(path, content, _KIND, VERSION).files
    return {}


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
    source = copy_storage(uri, copy.name)
    found = {path: _read(source, copy, path) for path in reversed(copy.tables)}  # before what they speak of, as epochs
    parts = [name for name in source.names(copy.name) if part_number(name) is not None]
    if not parts:
        raise InputError(
            f"{without_query(uri)} must hold a copy of the sweep {copy.name!r}, but has none: check the address and "
            "the name, or publish it with `tmc-sweep run FILE --publish`"
        )
    for path in (*(copy.epochs / name for name in parts), copy.manifest):  # what was decided of the epochs comes last
        found[path] = _read(source, copy, path)
    for path, content in found.items():
        if content is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _read(source: CopyStorage, copy: SweepPaths, path: Path) -> bytes | None:
    """The file that `path` is to be, again if it is not whole: it may be replaced while it is read."""
    name = path.relative_to(copy.results).as_posix()
    for _ in range(_READS):
        content = source.read(name)
        if content is None or path.suffix != ".parquet" or is_whole(content):
            return content
    raise not_whole(name, "it is damaged")


def _stamp(path: Path) -> _Stamp | None:
    """What changes whenever a file is replaced; None if there is none."""
    with files.explained("read", path):
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
    return (found.st_ino, found.st_mtime_ns, found.st_size)
