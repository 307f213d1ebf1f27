"""A sweep's tables, brought here from a cluster's head over SSH, also while the sweep runs there."""

import tarfile
import tempfile
from pathlib import Path
from shlex import quote

from tmc_sweep.cluster.ssh import Head, RefusedError
from tmc_sweep.errors import InputError, StorageError
from tmc_sweep.paths import SweepPaths, check_name, part_name
from tmc_sweep.store.pull import adopt

_NO_SUCH_SWEEP = 66  # the exit code by which our script on the head says so


def fetch(head: Head, name: str, results: Path) -> SweepPaths:
    """Bring the sweep `name` from the head into the folder `results`, without its checkpoints; its paths here.

    InputError if there is no such sweep there; HeadLostError or RefusedError if the head does not do it; otherwise
    errors as `store.pull.adopt`.
    """
    paths = SweepPaths(results, name)
    with tempfile.TemporaryDirectory(prefix="tmc_sweep-pull-") as folder:
        _unpack(head, name, Path(folder))
        adopt(SweepPaths(Path(folder), name), paths)
    return paths


def _unpack(head: Head, name: str, folder: Path) -> None:
    with tempfile.TemporaryFile() as packed:
        try:
            head.fetch(_packing(check_name(name)), packed)
        except RefusedError as refused:
            if refused.code != _NO_SUCH_SWEEP:
                raise
            raise InputError(
                f"the name must be that of a sweep on the head of {head.file}, but there is no {name!r}: "
                f"see `tmc-sweep status --cluster {head.file}`"
            ) from None
        packed.seek(0)
        try:
            with tarfile.open(fileobj=packed) as archive:
                archive.extractall(folder, filter="data")
        except tarfile.TarError as error:
            raise StorageError(f"{name!r} must arrive whole, but {error}: run the same command again") from None


def _packing(name: str) -> str:
    """The shell script that writes the sweep's files to its standard output, as a tar archive.

    The files are read one after another while the sweep goes on. So each comes before those that it speaks of: tables
    before the epochs, and the manifest, which has decisions, last. A file that is replaced while it is read arrives
    whole, in its old state; `tar` then ends with exit code 1.
    """
    quoted = quote(name)
    tables = " ".join(f"{quote(path.stem)}.parque[t]" for path in reversed(SweepPaths(Path(), name).tables))
    files = f"{tables} {quoted}/part-*.parquet .tmc/{quoted}/manifest.jso[n]"
    return (
        f'cd "$TMC_SWEEP_RESULTS" 2> /dev/null && test -f {quoted}/{part_name(0)} || exit {_NO_SUCH_SWEEP}; '
        f"shopt -s nullglob; tar -cf - {files} || test $? = 1"
    )
