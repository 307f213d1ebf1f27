"""Names in tables, links on disk and archives are input: nothing outside the results, or `-o`, is touched by them."""

import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from command import command
from stored import DONE, GOING, store
from verbs import ends

from tmc_sweep.cluster.fetch import fetch
from tmc_sweep.errors import TmcSweepError
from tmc_sweep.paths import SweepPaths, file_name

LINKS: dict[str, Callable[[SweepPaths], Path]] = {
    "epochs": lambda paths: paths.epochs,
    "part": lambda paths: paths.part(0),
    "trials": lambda paths: paths.trials,
    "figures": lambda paths: paths.figures,
    "private": lambda paths: paths.private,
    "manifest": lambda paths: paths.manifest,
    "lock": lambda paths: paths.lock,
    "temporary": lambda paths: paths.temporary,
    "quarantine": lambda paths: paths.quarantine,
    "checkpoints": lambda paths: paths.checkpoints,
    "checkpoints of a trial": lambda paths: paths.checkpoints / DONE.trial_id,
    "a checkpoint": lambda paths: next((paths.checkpoints / GOING.trial_id).iterdir()),
    "artefacts' temporary": lambda paths: paths.artefact_temporary,
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store(tmp_path_factory.mktemp("results")).results


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below, and its content."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


@pytest.mark.parametrize("place", LINKS)
def test_a_link_leads_no_verb_out_of_the_results(stored: Path, tmp_path: Path, place: str):
    shutil.copytree(stored, tmp_path / "results")
    paths = SweepPaths(tmp_path / "results", "tiny")
    link, outside = LINKS[place](paths), tmp_path / "outside"
    outside.mkdir()
    if link.is_dir() or not link.exists():
        shutil.copytree(link, outside / link.name) if link.exists() else (outside / link.name).mkdir()
        shutil.rmtree(link, ignore_errors=True)
    else:
        shutil.move(link, outside / link.name)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside / link.name)
    before = tree(outside)
    (tmp_path / "scratch").mkdir()
    list(ends(paths, tmp_path / "scratch", "verify", "csv", "tensorboard", *["figures"] * (place == "figures")))
    for words in (("evaluate", "tiny", "--samples", 1), ("prune", "tiny", "--keep-gigabytes", 0), ("repair", "tiny")):
        command(*words, "--results", paths.results)
    assert tree(outside) == before
    assert {path.name for path in tmp_path.iterdir()} == {"results", "outside", "scratch"}


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.mark.parametrize(
    "members",
    [
        [member("../../x")],
        [member("/tmp/tmc-sweep-x")],
        [member("tiny", tarfile.SYMTYPE, "../.."), member("tiny/x")],
        [member("tiny", tarfile.SYMTYPE, "/"), member("tiny/tmp/x")],
        [member("tiny.trials.parquet", tarfile.LNKTYPE, "../../../etc/passwd")],
        [member("tiny/part-00000.parquet", tarfile.FIFOTYPE)],
        [member("tiny/part-00000.parquet", tarfile.CHRTYPE)],
    ],
    ids=lambda members: f"{members[-1].name} {members[0].linkname} {members[-1].type.decode()}",
)
def test_no_member_of_an_archive_from_a_head_lands_elsewhere(tmp_path: Path, members: list[tarfile.TarInfo]):
    class Head:
        file = Path("cluster.yaml")

        def fetch(self, script: str, out: IO[bytes]) -> None:
            with tarfile.open(fileobj=out, mode="w") as archive:
                for each in members:
                    archive.addfile(each)

    (tmp_path / "unpacked").mkdir()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(TmcSweepError):
        patch.setattr(tempfile, "tempdir", str(tmp_path / "unpacked"))
        fetch(Head(), "tiny", tmp_path / "results")
    assert list(tmp_path.iterdir()) == [tmp_path / "unpacked"]
    assert tree(tmp_path / "unpacked") == {}


@pytest.mark.parametrize("text", ["../../x", "/x/y", "..", ".", "a\0b", "\u202e", "é" * 300, "a\\b", "C:x\n"])
def test_a_text_names_one_file_in_its_folder(tmp_path: Path, text: str):
    (tmp_path / file_name(text)).touch()
    assert len(list(tmp_path.iterdir())) == 1
    assert file_name("tmc small K=5 lr=0.001") == "tmc small K=5 lr=0.001"
