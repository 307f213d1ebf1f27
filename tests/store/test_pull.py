"""A sweep that was trained elsewhere, brought here: what it replaces, what it may not, and what a reader sees."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from stored import TRIALS, YAML, store
from twin import sweep

from tmc_sweep.data import load
from tmc_sweep.errors import InputError, StorageError, SweepBusyError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store import epochs, files
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.pull import adopt
from tmc_sweep.store.read import read_epochs, read_trials


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepPaths:
    """Two parts, one trial in the middle."""
    monkeypatch.setattr(epochs, "TRIALS_PER_PART", 1)
    return store(tmp_path / "there")


@pytest.fixture
def later(copy: SweepPaths, tmp_path: Path) -> SweepPaths:
    """The same when all is trained."""
    shutil.copytree(copy.results, tmp_path / "later")
    paths = SweepPaths(tmp_path / "later", "tiny")
    sweep(paths, TRIALS, load("digits"), text=YAML)
    return paths


@pytest.fixture
def here(tmp_path: Path) -> SweepPaths:
    return SweepPaths(tmp_path / "here", "tiny")


def contents(paths: SweepPaths) -> dict[str, bytes]:
    """What is brought: tables and manifest."""
    found = [*paths.results.rglob("*.parquet"), paths.manifest]
    return {str(path.relative_to(paths.results)): path.read_bytes() for path in found}


def test_all_but_the_checkpoints_comes_and_then_what_is_new(copy: SweepPaths, later: SweepPaths, here: SweepPaths):
    for state in (copy, later, later):
        adopt(state, here)
        assert contents(here) == contents(state)
    assert not here.checkpoints.exists()
    assert read_manifest(here) == read_manifest(later)


def test_a_reader_never_finds_a_trial_ahead_of_its_epochs(
    copy: SweepPaths, later: SweepPaths, here: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    seen = []

    def look(path: Path, content: bytes, temporary: Path) -> None:
        write(path, content, temporary)
        if here.trials.exists():
            counted = read_trials(here.epochs).set_index("trial_id")["epochs_done"]
            seen.append((read_epochs(here.epochs)["trial_id"].value_counts() - counted).min())

    write = files.write
    monkeypatch.setattr(files, "write", look)
    adopt(copy, here)
    adopt(later, here)
    assert (len(seen), min(seen)) == (5, 0)


def test_rows_that_the_copy_lacks_are_kept(copy: SweepPaths, later: SweepPaths, here: SweepPaths):
    adopt(later, here)
    before = contents(here)
    with pytest.raises(InputError, match=r"must not lose rows, but .*/here/tiny has rows of 1 trials that the copy"):
        adopt(copy, here)
    assert contents(here) == before


def test_another_sweep_of_that_name_is_kept(copy: SweepPaths, here: SweepPaths):
    store(here.results)
    before = contents(here)
    with pytest.raises(InputError, match=r"is another sweep of that name: choose another folder with --results"):
        adopt(copy, here)
    assert contents(here) == before


def test_a_sweep_that_runs_here_is_left_alone(copy: SweepPaths, here: SweepPaths):
    with sweep_lock(here), pytest.raises(SweepBusyError, match="holds sweep 'tiny'"):
        adopt(copy, here)
    assert not here.epochs.exists()


FILES = {
    "part": lambda paths: paths.part(1),
    "trials": lambda paths: paths.trials,
    "attempts": lambda paths: paths.attempts,
    "manifest": lambda paths: paths.manifest,
}


def refused(copy: SweepPaths, here: SweepPaths, file: Path) -> str:
    with pytest.raises(StorageError) as refused:
        adopt(copy, here)
    assert not here.results.exists()
    said = str(refused.value)
    assert said.startswith(f"a copy must be whole, but {file.relative_to(copy.results)} there is not, since it is ")
    assert said.endswith(": if that lasts, mend the sweep where it was run, and publish it to a new place")
    return said


@pytest.mark.parametrize("what", FILES)
def test_a_damaged_copy_is_refused_and_nothing_is_made_here(copy: SweepPaths, here: SweepPaths, what: str):
    file = FILES[what](copy)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert "damaged" in refused(copy, here, file)


@pytest.mark.parametrize("what", sorted(FILES.keys() - {"attempts"}))  # sweeps of 0.1.0 have none
def test_a_copy_that_lacks_a_file_is_refused(copy: SweepPaths, here: SweepPaths, what: str):
    file = FILES[what](copy)
    file.unlink()
    assert "missing" in refused(copy, here, file)


def test_what_was_killed_in_the_middle_is_brought_by_the_next_call(
    copy: SweepPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for written in range(5):  # of manifest, epochs, attempts, trials, summary
        here = SweepPaths(tmp_path / str(written), "tiny")
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            kill_after(written, patch)
            adopt(copy, here)
        adopt(copy, here)
        assert contents(here) == contents(copy)


def kill_after(n: int, patch: pytest.MonkeyPatch) -> None:
    """Let only so many files be written."""
    left = iter(range(n))

    def limited(write: Callable[..., None]) -> Callable[..., None]:
        def until_killed(*given: object) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            write(*given)

        return until_killed

    for name in ("write", "write_folder"):
        patch.setattr(files, name, limited(getattr(files, name)))
