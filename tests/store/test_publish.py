"""A sweep's copy, in a folder and in a bucket of a real S3 API: what is copied, what a reader sees, what comes back."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from buckets import Line, bucket
from command import command
from pyarrow import fs
from stored import GOING, TRIALS, YAML, store
from twin import expected, outcomes, sweep, table

from tmc_sweep.data import load
from tmc_sweep.errors import InputError, NewerError, StorageError, SweepBusyError
from tmc_sweep.integrity.repair import repair
from tmc_sweep.integrity.verify import verify
from tmc_sweep.paths import SweepPaths
from tmc_sweep.statistics.summary import summarize, write_summary
from tmc_sweep.store import epochs, files, publish
from tmc_sweep.store.copy_storage import copy_storage
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.present import part_files
from tmc_sweep.store.publish import Publication, fetch
from tmc_sweep.store.read import read_epochs, read_trials

BEGUN = {".tmc/tiny/manifest.json", "tiny/part-00000.parquet", "tiny/part-00001.parquet"}
COUNTED = ["tiny.attempts.parquet", "tiny.trials.parquet", "tiny.summary.parquet"]  # in their order


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Results folders: a sweep of two parts, and the same one an epoch later."""
    before, after = (tmp_path_factory.mktemp(name) for name in ("before", "after"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(epochs, "TRIALS_PER_PART", 1)
        store(before)
        shutil.copytree(before, after, dirs_exist_ok=True)
        grow(SweepPaths(after, "tiny"))
    return before, after


def grow(paths: SweepPaths) -> None:
    sweep(paths, TRIALS, load("digits"), text=YAML)
    write_summary(paths, summarize(paths.epochs, last=2))


@pytest.fixture
def paths(states: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepPaths:
    """The sweep as it was before."""
    monkeypatch.setattr(epochs, "TRIALS_PER_PART", 1)
    shutil.copytree(states[0], tmp_path / "results")
    return SweepPaths(tmp_path / "results", "tiny")


@pytest.fixture
def later(states: tuple[Path, Path], paths: SweepPaths) -> Callable[[], None]:
    """Lets the sweep go on, as a writer would."""

    def replace() -> None:
        shutil.copytree(states[1], paths.results, dirs_exist_ok=True)

    return replace


@pytest.fixture(scope="module")
def store_line() -> Iterator[tuple[str, Line]]:
    with bucket() as found:
        yield found


@pytest.fixture(params=["folder", "bucket"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "copy")
    address, query = request.getfixturevalue("store_line")[0].split("?")
    return f"{address}/{tmp_path.name}?{query}"


def as_frames(uri: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The copy as pandas reads it where it lies."""
    store, path = fs.FileSystem.from_uri(uri)
    return tuple(pd.read_parquet(f"{path}/{name}", filesystem=store) for name in ("tiny", "tiny.trials.parquet"))


def written(monkeypatch: pytest.MonkeyPatch, uri: str, fail_at: int = -1) -> list[str]:
    """The files written there from now on; the one with this number is not, as if the place went away."""
    kind, names = type(copy_storage(uri, "tiny")), []
    write = kind.write

    def recorded(self: object, name: str, content: bytes) -> None:
        if len(names) == fail_at:
            raise StorageError("the place went away")
        names.append(name)
        write(self, name, content)

    monkeypatch.setattr(kind, "write", recorded)
    return names


def test_the_copy_reads_like_the_sweep(paths: SweepPaths, uri: str):
    Publication(paths, uri).update()
    copied, trials = as_frames(uri)
    assert outcomes(copied).equals(outcomes(pd.read_parquet(paths.epochs)))
    assert trials.equals(pd.read_parquet(paths.trials))


def test_only_what_has_changed_is_copied_also_by_the_next_run(
    paths: SweepPaths, later, uri: str, monkeypatch: pytest.MonkeyPatch
):
    names = written(monkeypatch, uri)
    publication = Publication(paths, uri)
    publication.update()
    assert set(names) == {*BEGUN, *COUNTED, ".tmc/tiny/published.json"}
    names.clear()
    publication.update()
    Publication(paths, uri).update()
    assert names == []
    later()
    publication.update()
    changed = ["tiny/part-00001.parquet", *COUNTED, ".tmc/tiny/published.json"]
    assert [name for name in names if name != ".tmc/tiny/manifest.json"] == changed
    names.clear()
    Publication(paths, uri).update()
    assert names == []


def test_what_the_copy_lost_is_copied_again(paths: SweepPaths, tmp_path: Path):
    Publication(paths, str(tmp_path / "copy")).update()
    copy = SweepPaths(tmp_path / "copy", "tiny")
    copy.part(1).unlink()
    copy.trials.write_bytes(b"torn")
    copy.published.write_bytes(copy.published.read_bytes().replace(b"summary", b"summery"))
    Publication(paths, str(copy.results)).update()
    assert outcomes(read_epochs(copy.epochs)).equals(outcomes(read_epochs(paths.epochs)))
    assert copy.trials.read_bytes() == paths.trials.read_bytes()


@pytest.mark.parametrize("index", [b"", b"[1", b"[]", b'{"tiny.trials.parquet": 3}'])
def test_an_index_that_is_broken_says_nothing(paths: SweepPaths, tmp_path: Path, index: bytes):
    Publication(paths, str(tmp_path / "copy")).update()
    SweepPaths(tmp_path / "copy", "tiny").published.write_bytes(index)
    publication = Publication(paths, str(tmp_path / "copy"))
    publication.update()
    assert publication.n_copied == len(BEGUN | {*COUNTED})


@pytest.mark.parametrize("fail_at", range(4))
def test_wherever_copying_breaks_off_readers_see_whole_files_and_the_next_run_mends_it(
    paths: SweepPaths, later, uri: str, fail_at: int, monkeypatch: pytest.MonkeyPatch
):
    Publication(paths, uri).update()
    later()
    with monkeypatch.context() as broken, pytest.raises(StorageError, match="the place went away"):
        written(broken, uri, fail_at)
        Publication(paths, uri).update()
    copied, trials = as_frames(uri)
    rows = copied.groupby("trial_id").size()
    assert all(trials.set_index("trial_id")["epochs_done"] <= rows)
    Publication(paths, uri).update()
    copied, trials = as_frames(uri)
    assert outcomes(copied).equals(outcomes(pd.read_parquet(paths.epochs)))
    assert trials.equals(pd.read_parquet(paths.trials))


@pytest.mark.parametrize("how", ["published", "pulled"])
def test_a_sweep_that_goes_on_between_two_of_its_tables_has_a_copy_that_agrees(
    paths: SweepPaths, later: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
):
    """A trial begins again: the attempt is on record before the trial table counts it."""
    there, here = SweepPaths(tmp_path / "copy", "tiny"), SweepPaths(tmp_path / "here", "tiny")
    publication, read, gone_on = Publication(paths, str(there.results)), files.read, []
    source = paths if how == "published" else there

    def going_on(path: Path) -> bytes | None:
        content = read(path)
        if path in (source.attempts, source.trials) and not gone_on:
            gone_on.append(path)
            later()
            publication.update() if how == "pulled" else None
        return content

    if how == "pulled":
        publication.update()
    monkeypatch.setattr(files, "read", going_on)
    publication.update() if how == "published" else fetch(str(there.results), here)
    assert gone_on
    assert verify(there if how == "published" else here).problems == ()


def test_a_sweep_that_goes_on_while_it_is_copied_counts_no_epoch_that_is_not_there(
    paths: SweepPaths, later, uri: str, monkeypatch: pytest.MonkeyPatch
):
    Publication(paths, uri).update()
    monkeypatch.setattr(publish, "part_files", lambda paths: [later(), *part_files(paths)][1:])
    Publication(paths, uri).update()
    copied, trials = as_frames(uri)
    assert dict(copied.groupby("trial_id").size()) == dict.fromkeys(trials["trial_id"], 3)
    assert sorted(trials["epochs_done"]) == [2, 3]  # as read before


@pytest.mark.parametrize("fail_at", range(6))
def test_a_first_copy_that_breaks_off_is_gone_on_with(
    paths: SweepPaths, tmp_path: Path, fail_at: int, monkeypatch: pytest.MonkeyPatch
):
    uri = str(tmp_path / "copy")
    with monkeypatch.context() as broken:
        written(broken, uri, fail_at)
        publication = Publication(paths, uri)
        with pytest.raises(StorageError, match="the place went away"):
            publication.update()
    publication.update()  # by the same run: what is there already is not copied again
    assert publication.n_copied == len(BEGUN | {*COUNTED})
    assert table(tmp_path / "copy" / "tiny").equals(table(paths.epochs))


KILLED = """
import os, sys
from pathlib import Path
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.publish import Publication

replace, left = Path.replace, [int(sys.argv[3])]
def dying(self, target):
    left[0] -= 1
    if left[0] == 0:
        os._exit(9)
    return replace(self, target)
Path.replace = dying
Publication(SweepPaths(Path(sys.argv[1]), "tiny"), sys.argv[2]).update()
"""


def test_kill_while_copying_leaves_whole_files_and_what_it_left_is_removed(paths: SweepPaths, later, tmp_path: Path):
    copy = SweepPaths(tmp_path / "copy", "tiny")
    Publication(paths, str(copy.results)).update()
    before = {path: path.read_bytes() for path in copy.results.rglob("*.parquet")}
    later()
    ended = subprocess.run([sys.executable, "-c", KILLED, paths.results, copy.results, "2"])
    assert ended.returncode == 9
    assert len(list(copy.temporary.iterdir())) == 1
    after = {path: path.read_bytes() for path in copy.results.rglob("*.parquet") if path.parent != copy.temporary}
    assert after.keys() == before.keys()
    assert 0 < sum(after[path] != before[path] for path in after) < len(after) - 1
    Publication(paths, str(copy.results)).update()
    assert list(copy.temporary.iterdir()) == []
    assert table(copy.epochs).equals(table(paths.epochs))


@pytest.mark.long
def test_a_line_that_breaks_in_the_middle_of_a_file_leaves_the_old_one(store_line: tuple[str, Line]):
    uri, line = store_line
    there = copy_storage(uri, "tiny")
    there.write("large", b"o" * 25_000_000)  # in several parts
    line.cut(after=12_000_000)
    with pytest.raises(StorageError, match=r"^the copy at s3://results/\w+ cannot be written \("):
        there.write("large", b"n" * 26_000_000)
    line.mend()
    assert there.read("large") == b"o" * 25_000_000


def test_the_right_address_of_a_copy_works_as_its_error_says(store_line: tuple[str, Line]):
    right = store_line[0]
    wrong = right.replace("s3://results/", "s3://result/")
    with pytest.raises(StorageError, match=r"the copy at s3://result/\w+ cannot be written .*: check the address"):
        copy_storage(wrong, "tiny").write("small", b"whole")
    copy_storage(right, "tiny").write("small", b"whole")
    assert copy_storage(right, "tiny").read("small") == b"whole"


def test_a_key_belongs_into_the_environment_as_its_error_says(store_line: tuple[str, Line], monkeypatch):
    bare = store_line[0]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    with pytest.raises(InputError, match="give the key as the environment's AWS_ACCESS_KEY_ID and AWS_SECRET_ACC"):
        copy_storage(bare.replace("s3://", "s3://key:hunter2@"), "tiny")
    copy_storage(bare, "tiny").write("small", b"whole")


def test_a_copy_of_another_sweep_is_left_alone(paths: SweepPaths, uri: str, tmp_path: Path):
    Publication(paths, uri).update()
    before = as_frames(uri)
    other = store(tmp_path / "other")
    with pytest.raises(
        StorageError, match="must be free or hold this sweep's copy, but has another sweep named 'tiny'"
    ):
        Publication(other, uri).update()
    elsewhere = str(tmp_path / "elsewhere")
    Publication(other, elsewhere).update()
    assert outcomes(as_frames(elsewhere)[0]).equals(outcomes(pd.read_parquet(other.epochs)))
    assert all(now.equals(then) for now, then in zip(as_frames(uri), before, strict=True))


def test_files_that_nobody_published_are_left_alone(paths: SweepPaths, uri: str):
    copy_storage(uri, "tiny").write("tiny/part-00000.parquet", b"mine") if "s3" in uri else None
    if "s3" not in uri:
        Path(uri, "tiny").mkdir(parents=True)
        Path(uri, "tiny", "part-00000.parquet").write_bytes(b"mine")
    with pytest.raises(StorageError, match="must be free"):
        Publication(paths, uri).update()
    assert copy_storage(uri, "tiny").read("tiny/part-00000.parquet") == b"mine"


def test_what_is_damaged_here_is_not_copied(paths: SweepPaths, uri: str):
    Publication(paths, uri).update()
    before = as_frames(uri)[0]
    content = bytearray(paths.part(1).read_bytes())
    content[len(content) // 2] ^= 1
    paths.part(1).write_bytes(content)
    with pytest.raises(StorageError, match=r"part-00001\.parquet must be as tmc_sweep wrote it"):
        Publication(paths, uri).update()
    assert as_frames(uri)[0].equals(before)


def test_a_sweep_that_runs_in_the_copy_is_not_overwritten(paths: SweepPaths, tmp_path: Path):
    with sweep_lock(SweepPaths(tmp_path / "copy", "tiny")), pytest.raises(SweepBusyError):
        Publication(paths, str(tmp_path / "copy")).update()


def test_a_place_that_cannot_be_written_to(paths: SweepPaths, tmp_path: Path):
    (tmp_path / "file").write_text("")
    for folder in ("/sys/tmc_sweep", str(tmp_path / "file")):
        with pytest.raises(StorageError, match=f"^{folder} cannot be made"):
            Publication(paths, folder).update()


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("ftp://host/copy", "must be a folder, s3://BUCKET/PATH or gs://BUCKET/PATH, but got 'ftp://host/copy'"),
        ("s3:///copy", "must be a folder"),
        ("s3:bucket", "must be a folder"),
        ("file://host/copy", "must be a folder"),
        ("", "must be a folder"),
        ("s3://[x", r"must be a folder, .*, but got 's3://\[x'"),
        ("s3://key:hunter2@bucket/copy", "must hold no secret, but that of bucket does"),
        ("RESULTS", "a copy must lie elsewhere than"),
        ("file://RESULTS/../results", "a copy must lie elsewhere than"),
    ],
)
def test_what_is_no_place(paths: SweepPaths, uri: str, said: str):
    with pytest.raises(InputError, match=said) as error:
        Publication(paths, uri.replace("RESULTS", str(paths.results)))
    assert "hunter2" not in str(error.value)


def test_a_folder_may_be_named_in_any_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for uri in ("a b/c", "~/a b/c", f"file://{tmp_path}/a b/c", f"{tmp_path}/a b/c"):
        assert copy_storage(uri, "tiny").copy.results == tmp_path / "a b" / "c"


def test_a_copy_is_brought_back_and_the_sweep_goes_on_from_it(paths: SweepPaths, uri: str, tmp_path: Path):
    Publication(paths, uri).update()
    back = SweepPaths(tmp_path / "elsewhere", "tiny")
    fetch(uri, back)
    assert table(back.epochs).equals(table(paths.epochs))
    assert read_trials(back.epochs).equals(read_trials(paths.epochs))
    assert command("status", "tiny", "--results", back.results).code == 0
    assert sweep(back, TRIALS, load("digits"), text=YAML) == [GOING.trial_id]
    assert outcomes(table(back.epochs)).equals(expected(TRIALS, load("digits")))
    Publication(back, uri).update()  # it is the same sweep
    fetch(uri, paths)
    assert table(paths.epochs).equals(table(back.epochs))


def test_what_is_not_published_cannot_be_brought_back(paths: SweepPaths, uri: str):
    with pytest.raises(InputError, match="must hold a copy of the sweep 'tiny', but has none"):
        fetch(uri, paths)


def test_a_torn_copy_is_not_brought_back(paths: SweepPaths, tmp_path: Path):
    Publication(paths, str(tmp_path / "copy")).update()
    part = SweepPaths(tmp_path / "copy", "tiny").part(1)
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(StorageError, match=r"but tiny/part-00001\.parquet there is not, since it is damaged: if"):
        fetch(str(tmp_path / "copy"), SweepPaths(tmp_path / "elsewhere", "tiny"))
    assert not (tmp_path / "elsewhere").exists()


def test_reading_tables_loads_no_place():
    loaded = "'tmc_sweep.store.copy_storage' in sys.modules"
    script = f"import sys, tmc_sweep.store.read, tmc_sweep.statistics.summary; print({loaded})"
    environment = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    assert subprocess.check_output([sys.executable, "-c", script], env=environment, text=True) == "False\n"


def test_the_index_holds_hashes_and_sizes(paths: SweepPaths, tmp_path: Path):
    Publication(paths, str(tmp_path / "copy")).update()
    index = json.loads(SweepPaths(tmp_path / "copy", "tiny").published.read_bytes())
    assert index["format_version"] == publish.VERSION
    assert index["files"].keys() == BEGUN | {*COUNTED}
    assert index["files"]["tiny.trials.parquet"][1] == paths.trials.stat().st_size


@pytest.fixture
def copied(paths: SweepPaths, tmp_path: Path) -> SweepPaths:
    Publication(paths, str(tmp_path / "copy")).update()
    return SweepPaths(tmp_path / "copy", "tiny")


@pytest.fixture(params=["published", "pulled"])
def copy_of(request: pytest.FixtureRequest, copied: SweepPaths, tmp_path: Path) -> SweepPaths:
    """A copy of either kind."""
    if request.param == "pulled":
        here = SweepPaths(tmp_path / "here", "tiny")
        fetch(str(copied.results), here)
        return here
    return copied


def test_a_copy_is_whole_says_what_it_leaves_out_and_its_damage_is_named(copy_of: SweepPaths):
    assert read_manifest(copy_of).leaves_out == ("checkpoints",)
    assert verify(copy_of).problems == ()
    assert repair(copy_of).done == ()
    assert read_manifest(copy_of).leaves_out == ("checkpoints",)
    whole = copy_of.part(1).read_bytes()
    copy_of.part(1).write_bytes(whole[:-20] + b"?" + whole[-19:])
    (part, rows) = verify(copy_of).problems
    assert (part.file, rows.file) == (copy_of.part(1), copy_of.epochs)


def test_a_damaged_copy_is_repaired_as_far_as_it_can_be_and_pulled_again(copied: SweepPaths, tmp_path: Path):
    here = SweepPaths(tmp_path / "here", "tiny")
    fetch(str(copied.results), here)
    before = table(here.epochs)
    here.part(1).write_bytes(b"garbage")
    *_, last = repair(here).done
    assert "a copy without checkpoints, so no rows could come back: fetch it again with `tmc-sweep pull`" in last
    assert verify(here).problems == ()
    fetch(str(copied.results), here)
    assert table(here.epochs).equals(before)
    assert verify(here).problems == ()


def test_a_copy_that_was_run_is_a_sweep_of_its_own_which_publishing_never_overwrites(
    copied: SweepPaths, paths: SweepPaths
):
    sweep(copied, TRIALS, load("digits"), text=YAML)
    assert read_manifest(copied).leaves_out == ()
    assert verify(copied).problems == ()
    before = {path: path.read_bytes() for path in copied.results.rglob("*.parquet")}
    with pytest.raises(StorageError, match="has the sweep itself, or a copy that was run: publish elsewhere"):
        Publication(paths, str(copied.results)).update()
    assert {path: path.read_bytes() for path in copied.results.rglob("*.parquet")} == before


def test_an_index_of_a_newer_version_is_left_alone(paths: SweepPaths, copied: SweepPaths):
    newer = b'{"format_version": 99, "files": {}, "sha256": "0"}'
    copied.published.write_bytes(newer)
    with pytest.raises(NewerError, match=r"published\.json must have a format version up to 2, but has 99"):
        Publication(paths, str(copied.results)).update()
    assert copied.published.read_bytes() == newer
