"""A file that is gone: every verb judges a sweep from all that is on disk, and says what `verify` says."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from stored import store
from verbs import MENDING, OTHER, copied_as, ends, verbs

from tmc_sweep.paths import SweepPaths
from tmc_sweep.tables.read import read_epochs

LOST: dict[str, Callable[[SweepPaths], Path]] = {
    "part": lambda paths: paths.part(0),
    "epoch table": lambda paths: paths.epochs,
    "trial table": lambda paths: paths.trials,
    "manifest": lambda paths: paths.manifest,
    "checkpoints": lambda paths: paths.checkpoints,
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    paths = store(tmp_path_factory.mktemp("results"))
    copied_as(paths, OTHER)
    return paths.results


@pytest.fixture
def paths(stored: Path, tmp_path: Path) -> SweepPaths:
    shutil.copytree(stored, tmp_path / "results")
    return SweepPaths(tmp_path / "results", "tiny")


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("what", LOST)
def test_each_verb_says_what_verify_says(paths: SweepPaths, tmp_path: Path, what: str):
    lost = LOST[what](paths)
    remove(lost)
    gone = paths.part(0) if what == "epoch table" else lost
    sentence = f"{gone} must be as tmc_sweep wrote it, but it is missing: mend it with `tmc-sweep repair tiny`"
    said = dict(ends(paths, tmp_path, *verbs(paths, tmp_path).keys() - MENDING))
    assert {name: ended.code for name, ended in said.items()} == dict.fromkeys(said, 4)
    assert [name for name, ended in said.items() if sentence not in ended.out + ended.err] == []


@pytest.mark.parametrize("what", LOST)
def test_after_repair_each_verb_does_its_work(paths: SweepPaths, tmp_path: Path, what: str):
    before = read_epochs(paths.epochs)
    remove(LOST[what](paths))
    for name, ended in ends(paths, tmp_path, "repair", "verify", "status", "plan", "summary", "best", "csv", "figures"):
        assert (name, ended.code) == (name, 0)
    assert read_epochs(paths.epochs).equals(before)


def test_a_sweep_renamed_by_hand_is_whole_under_its_new_name(paths: SweepPaths, tmp_path: Path):
    for path in (paths.epochs, paths.private, *paths.tables):
        if path.exists():
            path.rename(path.with_name(path.name.replace("tiny", "renamed")))
    renamed = SweepPaths(paths.results, "renamed")
    said = dict(
        ends(renamed, tmp_path, "verify", "status", "summary", "evaluate", "reproduce", "repair", "prune", "verify")
    )
    assert {name: ended.code for name, ended in said.items()} == dict.fromkeys(said, 0)
    assert said["repair"].out == "renamed: nothing to mend\n"
