"""A file that is gone: every verb judges a sweep from all that is on disk, and says what `verify` says."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command import command
from stored import store
from verbs import MENDING, OTHER, copied_as, ends, verbs

from tmc_sweep.errors import DamagedError
from tmc_sweep.integrity.repair import repair
from tmc_sweep.integrity.verify import verify
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.present import check_present
from tmc_sweep.store.read import read_epochs
from tmc_sweep.store.renamed import earlier_name, later_name

LOST: dict[str, Callable[[SweepPaths], Path]] = {
    "part": lambda paths: paths.part(0),
    "epoch table": lambda paths: paths.epochs,
    "trial table": lambda paths: paths.trials,
    "attempt table": lambda paths: paths.attempts,
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


def advised(paths: SweepPaths) -> str:
    return f"tmc-sweep repair {paths.name} --results {paths.results}"


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def lose(paths: SweepPaths, what: str) -> str:
    """What is then said of the sweep."""
    lost = LOST[what](paths)
    remove(lost)
    gone = paths.part(0) if what == "epoch table" else lost
    return f"{gone} must be as tmc_sweep wrote it, but it is missing: mend it with `{advised(paths)}`"


@pytest.mark.parametrize("what", LOST)
def test_a_sweep_is_judged_as_verify_does_and_repair_mends_it(paths: SweepPaths, what: str):
    before = read_epochs(paths.epochs)
    sentence = lose(paths, what)
    assert sentence in [problem.sentence for problem in verify(paths).problems]
    with pytest.raises(DamagedError) as judged:
        check_present(paths)
    assert str(judged.value) == sentence
    repair(paths)
    assert verify(paths).problems == ()
    check_present(paths)
    assert read_epochs(paths.epochs).equals(before)


@pytest.mark.parametrize("what", ["attempt table", "manifest"])
def test_each_verb_says_so(paths: SweepPaths, tmp_path: Path, what: str):
    """Of what few of them read, and of what a sweep is found by."""
    sentence = lose(paths, what)
    said = dict(ends(paths, tmp_path, *verbs(paths, tmp_path).keys() - MENDING))
    assert {name: ended.code for name, ended in said.items()} == dict.fromkeys(said, 4)
    assert [name for name, ended in said.items() if sentence not in ended.out + ended.err] == []


def test_after_repair_each_verb_does_its_work(paths: SweepPaths, tmp_path: Path):
    lose(paths, "epoch table")
    for name, ended in ends(paths, tmp_path, "repair", "verify", "status", "plan", "summary", "best", "csv"):
        assert (name, ended.code) == (name, 0)


def rename(paths: SweepPaths, *files: Path) -> SweepPaths:
    for path in files:
        if path.exists():
            path.rename(path.with_name(path.name.replace("tiny", "renamed")))
    return SweepPaths(paths.results, "renamed")


@pytest.mark.parametrize("tables", [True, False], ids=["all that is seen", "the tables' folder not"])
def test_a_sweep_renamed_but_for_what_is_hidden_is_whole_after_the_repair_that_each_verb_advises(
    paths: SweepPaths, tmp_path: Path, tables: bool
):
    before, checkpoints = read_epochs(paths.epochs), sorted(path.name for path in paths.checkpoints.iterdir())
    renamed = rename(paths, *([paths.epochs] if tables else []), *paths.tables)
    if not tables:
        shutil.copytree(paths.epochs, renamed.epochs)
        shutil.rmtree(paths.epochs)
    for name in ("tiny", "renamed"):
        asked = SweepPaths(paths.results, name)
        said = dict(ends(asked, tmp_path, "status", "summary", "verify", "best", "evaluate", "prune"))
        assert {verb: ended.code for verb, ended in said.items()} == dict.fromkeys(said, 4)
        assert all(f"mend it with `{advised(renamed)}`" in ended.out + ended.err for ended in said.values())
    refused = command("repair", "tiny", "--results", paths.results)
    assert (refused.code, refused.out) == (2, "")
    assert f"tiny was renamed to renamed: use `{advised(renamed)}`" in refused.err
    mended = command(*shlex.split(advised(renamed))[1:])
    assert (mended.code, mended.out.count("\n")) == (0, 1)
    assert "the sweep was renamed from tiny" in mended.out
    assert sorted(path.name for path in renamed.checkpoints.iterdir()) == checkpoints
    assert read_epochs(renamed.epochs).equals(before)
    said = dict(ends(renamed, tmp_path, "verify", "repair", "summary", "evaluate", "reproduce"))
    assert {verb: ended.code for verb, ended in said.items()} == dict.fromkeys(said, 0)
    assert said["repair"].out == "renamed: nothing to mend\n"
    assert "there is none" in command("status", "tiny", "--results", paths.results).err


def test_a_copy_of_a_sweep_is_no_renamed_one(paths: SweepPaths):
    """It has the other's files by another name, which are there as well."""
    remove(paths.manifest)
    assert earlier_name(paths) is None
    assert later_name(SweepPaths(paths.results, OTHER)) is None


def test_a_renamed_sweep_is_not_taken_from_a_run_that_holds_it(paths: SweepPaths):
    renamed = rename(paths, paths.epochs, *paths.tables)
    with sweep_lock(paths):
        assert command("repair", "renamed", "--results", paths.results).code == 75
    assert paths.manifest.exists() and not renamed.manifest.exists()


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
