"""A copy of a sweep's tables in a second place, kept up to date (`Publication`), and brought back from there (`fetch`).

Checkpoints are not copied. A reader of the copy sees whole files only, and no trial that counts epochs which the copy
lacks: the trial table is read before the epochs are, and written after them. An index in the copy lists the files that
it has, so that a run copies only what changed. It is written last; what it does not list is copied again.
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

VERSION = 2  # of the format of a copy's index; 1, of 0.1.0, was a mapping without a version
_READS = 3  # tries to read a file of a copy whole
_Stamp = tuple[int, int, int]  # inode, time of change and size: another one whenever a file is replaced


class _Copied(NamedTuple):
    """What a copy's index says of a file."""

    sha256: str
    size: int


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class _Index:
    """The content of a copy's index, `.tmc/<sweep>/published.json`: the copy's files by name."""

    format_version: int
    files: Mapping[str, _Copied]


_KIND = TypeAdapter(_Index)
_FIRST = TypeAdapter(Mapping[str, _Copied])


class _Changed(NamedTuple):
    """A file of the sweep that the copy lacks, or has in an older state."""

    name: str
    content: bytes
    copied: _Copied
    stamp: _Stamp


class Publication:
    """The copy of one sweep at a URI; `update` brings it up to date, as often as wanted."""

    def __init__(self, paths: SweepPaths, uri: str) -> None:
        """Nothing is read yet. InputError if the URI names no place, or the results folder itself."""
        self._place = copy_storage(uri, paths.name)
        self.uri = without_query(uri)
        self.n_copied = 0  # files so far
        self._paths = paths
        self._looked = False  # whether the copy's index was read
        self._known: dict[str, _Copied] = {}  # the files that the copy is known to have
        self._index: dict[str, _Copied] = {}  # the same, as the stored index has it
        self._stamps: dict[str, _Stamp] = {}  # of the sweep's files that the copy has as they are
        if isinstance(self._place, Folder) and self._place.copy.results == paths.results:
            raise InputError(f"a copy must lie elsewhere than {paths.results}, which it is of: choose another place")

    def update(self) -> None:
        """Copy what has changed since the last time.

        StorageError if a file is damaged, cannot be copied, or the place holds something else; SweepBusyError if
        another process writes the copy. Does nothing before the sweep's first run.
        """
        manifest = read_manifest(self._paths)
        if manifest is None:  # the sweep is about to begin
            return
        with self._place.held():
            if not self._looked:
                self._known = self._opened(manifest.sweep_id)
                self._index, self._looked = dict(self._known), True
            speaking_first = reversed(self._paths.tables)  # read before the epochs, to which rows are added meanwhile
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
        """The files that the copy has, by its index; StorageError if the place holds anything but this sweep's copy."""
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
    """The files that an index lists; none if it is damaged, so that all is copied again. NewerError if it is newer."""
    with suppress(ValidationError):
        return _FIRST.validate_json(content, strict=True)
    with suppress(DamagedError):
        return sealed_json.parse(path, content, _KIND, VERSION).files
    return {}


def fetch(uri: str, paths: SweepPaths) -> None:
    """Bring the sweep `paths` here from its copy at the URI, or bring it up to date; checkpoints do not come.

    InputError if there is no such copy, or the sweep here is another one or has rows that the copy lacks;
    SweepBusyError if a run holds the sweep; StorageError if the copy is damaged or cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="tmc_sweep-fetch-") as folder:
        copy = SweepPaths(Path(folder), paths.name)
        _download(uri, copy)
        adopt(copy, paths)


def _download(uri: str, copy: SweepPaths) -> None:
    source = copy_storage(uri, copy.name)
    found = {path: _read(source, copy, path) for path in reversed(copy.tables)}  # each before what it speaks of
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
    """The content of the file that will be `path`, read again if it is not whole: it may just have been replaced."""
    name = path.relative_to(copy.results).as_posix()
    for _ in range(_READS):
        content = source.read(name)
        if content is None or path.suffix != ".parquet" or is_whole(content):
            return content
    raise not_whole(name, "it is damaged")


def _stamp(path: Path) -> _Stamp | None:
    """The stamp of a file; None if there is no such file."""
    with files.explained("read", path):
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
    return (found.st_ino, found.st_mtime_ns, found.st_size)
