"""Commands that are refused, and the same as the sentence says: a command in it is run as it stands."""

import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import invented
import numpy as np
import pytest
from advice_messages import found
from command import Ended, command
from stored import DONE, GOING, YAML, store
from verbs import OTHER, copied_as

from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.publish import Publication

FINISHED = "finished"
ENDED = f"name: {FINISHED}\nbase: {{data: digits, epochs: 2}}\n".encode()
CLUSTERS = Path(__file__).parents[2] / "cluster"
FLEET = b"max_workers: 2\nhead_node_type: a\navailable_node_types: {a: {resources: {CPU: 4}}}\n"


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep, the same by another name, and one that has nothing left to train."""
    paths = store(tmp_path_factory.mktemp("sweeps"))
    copied_as(paths, OTHER)
    invented.write(paths.results, ENDED.decode(), lambda _: np.full(2, -30.0))
    (paths.results / "tiny.yaml").write_text(YAML)
    return paths.results


@pytest.fixture
def here(sweeps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them, in the folder `results` of the working directory, where commands look by themselves."""
    shutil.copytree(sweeps, tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TMC_SWEEP_RESULTS", raising=False)
    monkeypatch.setattr("tmc_sweep.report.figures.of", lambda _: [])
    return tmp_path


class Case(NamedTuple):
    """A command that is refused with this message, and what follows from it; words of the latter may need the former.

    `{0}` in them is what `advised` finds in the sentence; of a whole command in backquotes nothing is left to say.
    """

    message: str
    refused: str
    obeyed: str = "{0}"
    advised: str = r"`tmc-sweep (.*?)`"
    code: int = 2
    ends: int = 0
    before: Callable[[Path], object] = lambda _: None


def link(folder: Path) -> None:
    (folder / "results" / "tiny.summary.parquet").unlink()
    (folder / "results" / "tiny.summary.parquet").symlink_to(folder / "elsewhere")


def published(folder: Path) -> None:
    Publication(SweepPaths(folder / "results", "tiny"), str(folder / "copy")).update()
    invented.write(folder / "mine", "name: tiny\nbase: {data: digits, epochs: 1}", lambda _: np.full(1, -1.0))


def damage(folder: Path) -> None:
    SweepPaths(folder / "results", "tiny").part(0).write_bytes(b"garbage")


def rename(folder: Path) -> None:
    for path in (folder / "results").glob("tiny*"):
        path.rename(path.with_name(path.name.replace("tiny", "renamed")))


def pulled(folder: Path) -> None:
    published(folder)
    assert command("pull", "tiny", "--from", folder / "copy", "--results", folder / "there").code == 0


def files(**contents: bytes) -> Callable[[Path], object]:
    return lambda folder: [(folder / f"{name}.yaml").write_bytes(content) for name, content in contents.items()]


CASES = [
    Case("samples must be a positive", "evaluate tiny --samples 0", "evaluate tiny --samples {0}", r": (\d+) are"),
    Case(
        "registry.py:: choose one of them",
        "evaluate tiny --objective best",
        "evaluate tiny --objective {0} --samples 2",
        r"one of (\w+),",
    ),
    Case(
        "epochs must be a positive",
        f"reproduce {DONE.trial_id} --sweep tiny --epochs 0",
        f"reproduce {DONE.trial_id} --sweep tiny",
        "leave (it) out",
    ),
    Case(
        "device must be one of",
        "evaluate tiny --samples 2 --device gpu",
        "evaluate tiny --samples 2 --device {0}",
        r"one of (\w+),",
    ),
    Case(
        "device cuda needs a GPU",
        "evaluate tiny --samples 2 --device cuda",
        "evaluate tiny --samples 2 --device {0}",
        r"use (\w+)",
        code=3,
    ),
    Case("analysis/trained.py:: {} lists them", "evaluate tiny --trial zzz"),
    Case("must have one format", "summary tiny --last 2 --json --csv", "summary tiny --last 2 --csv", "(--csv)"),
    Case(
        "which is about this machine",
        "plan results/tiny.yaml --on nothing --slots 1",
        "plan results/tiny.yaml --slots 1",
        "without (--slots)",
    ),
    Case("--watch must be given one sweep", f"status {FINISHED} -w --json"),
    Case(
        "-o must write here",
        "best tiny --last 2 -o best.yaml --cluster x.yaml",
        "best tiny --last 2 -o best.yaml",
        "(leave one out)",
    ),
    Case(
        "the best cell must have a known mean",
        "best tiny --last 9 -o best.yaml",
        "best tiny {0} 2 -o best.yaml",
        "lower (--last)",
    ),
    Case(
        "choose another name, or add --force",
        "best tiny --last 2 -o results/tiny.yaml",
        "best tiny --last 2 -o results/tiny.yaml {0}",
        "add (--force)",
    ),
    Case(
        "-o must name a file that can be written",
        "best tiny --last 2 -o none/b.yaml",
        "best tiny --last 2 -o b.yaml",
        "(choose another name)",
        code=4,
    ),
    Case(
        "a sweep must be brought from one place",
        "pull tiny",
        "pull tiny {0} copy --results other",
        r"and (--from) URI",
        before=published,
    ),
    Case(
        "--every must be given with --watch",
        f"report {FINISHED} --every 1",
        f"report {FINISHED} --every 1 {{0}}",
        "add (--watch)",
    ),
    Case(
        "--on must be a file of `ray up` with",
        "plan results/tiny.yaml --on x.yaml",
        "plan results/tiny.yaml {0} 1",
        "with (--slots)$",
        before=files(x=b"a: 1"),
    ),
    Case("must be as tmc_sweep wrote it", "summary tiny", code=4, before=damage),
    Case("a sweep must be repaired under its name", "repair tiny", before=rename),
    Case(
        "choose another name, such as 'grid'",
        "run x.yaml",
        "plan y.yaml --slots 1",
        "such as '(grid)'",
        before=files(x=b"name: ../x", y=b"name: grid"),
    ),
    Case(
        "is a symbolic link: remove it", "summary tiny --last 2", "summary other --last 2", "(remove it)", before=link
    ),
    Case(
        "a page must be a regular file",
        f"report {FINISHED} -o pipe",
        f"report {FINISHED} {{0}} page.html",
        r"with (-o)",
        code=4,
        before=lambda folder: os.mkfifo(folder / "pipe"),
    ),
    Case("two sweeps are compared", "compare tiny tiny --last 2", "compare tiny other --last 2", "(name another one)"),
    Case(
        "choose another folder with --results",
        "pull tiny --from copy --results mine",
        "pull tiny --from copy {0} new",
        r"with (--results)",
        before=published,
    ),
    Case(
        "-o must name a new folder",
        "export tiny --to csv -o results",
        "export tiny --to csv -o new",
        "(choose another name)",
    ),
    Case(
        "statistics/export.py:: choose one of them",
        "export tiny --to sql -o new",
        "export tiny --to {0} -o new",
        r"one of (\w+),",
    ),
    Case(
        "statistics/windows.py:: choose one of them",
        "summary tiny --metric zzz",
        "summary tiny --last 2 --metric {0}",
        r"one of (\w+),",
    ),
    Case("last must be", "summary tiny --last 0", "summary tiny --last {0}", r"article's is (\d+)"),
    Case(
        "statistics/paired.py:: the fields are {}",
        "differences tiny --by zzz",
        "differences tiny --by {0}",
        r"fields are (\w+),",
    ),
    Case(
        "must be of one sweep, but",
        f"reproduce {GOING.trial_id}",
        f"reproduce {GOING.trial_id} {{0}} tiny",
        r"add (--sweep) NAME",
    ),
    Case("integrity/stored_trial.py:a trial must be one of", "reproduce ffffffffffff --sweep tiny"),
    Case(
        "a trial's name must fit one trial",
        "reproduce '' --sweep tiny",
        f"reproduce {DONE.trial_id} --sweep tiny",
        "(write more of its digits)",
    ),
    Case(
        "a copy's place must be a folder",
        "pull tiny --from ftp://x",
        "pull tiny --from {1}/copy --results other",
        r"be (a folder),",
        before=published,
    ),
    Case(
        "must hold a copy of the sweep",
        "pull none --from copy",
        "pull tiny --from copy --results other",
        "(check the address and the name)",
        before=published,
    ),
    Case(
        ": run the sweep, or name another folder",
        "status zzz --results empty",
        "status tiny --results results",
        "(name another folder)",
    ),
    Case(
        "a search space must be a readable file", "plan x.yaml", "plan results/tiny.yaml --slots 1", "(check the path)"
    ),
    Case(
        "the file must be UTF-8",
        "plan x.yaml",
        "plan y.yaml --slots 1",
        "save it as (UTF-8)",
        before=files(x="name: x # é".encode("latin-1"), y="name: x # é".encode()),
    ),
    Case(
        "a copy must lie elsewhere",
        "run x.yaml --publish results",
        "run x.yaml --publish copy",
        "(choose another place)",
        before=files(x=ENDED),
    ),
    Case(
        "but none of the {} asked for has one",
        "evaluate tiny --samples 2 --results there",
        "evaluate tiny --samples 2",
        "where (the sweep was run)",
        before=pulled,
    ),
    Case(
        "must be a file of `ray up`, but {} is not",
        "plan results/tiny.yaml --on none.yaml",
        f"plan results/tiny.yaml --on {CLUSTERS}/gpu.yaml",
        "(in cluster/)",
    ),
    Case(
        "must be YAML, but",
        "plan results/tiny.yaml --on x.yaml",
        "plan results/tiny.yaml --on y.yaml",
        "(correct it)",
        before=files(x=b"a: [", y=FLEET),
    ),
    Case(
        "metadata.price_per_hour must have",
        "plan results/tiny.yaml --on x.yaml",
        "plan results/tiny.yaml --on y.yaml",
        r"for example, (\{.*\})",
        before=files(
            x=FLEET + b"metadata: {price_per_hour: {b: 1}}", y=FLEET + b"metadata: {price_per_hour: {a: 0.5}}"
        ),
    ),
    Case(
        "{} must say what its machines have",
        "plan results/tiny.yaml --on x.yaml",
        "plan results/tiny.yaml {0} 1",
        r"with (--slots)$",
        before=files(x=FLEET.replace(b"resources", b"sources")),
    ),
    Case(
        "must have numbers for max_workers",
        "plan results/tiny.yaml --on x.yaml",
        "plan results/tiny.yaml --on y.yaml",
        "(correct it)",
        before=files(x=FLEET.replace(b"CPU: 4", b"CPU: x"), y=FLEET),
    ),
]


def run(words: str) -> Ended:
    return command(*shlex.split(words))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.message)
def test_a_command_that_does_as_it_is_told_is_accepted(here: Path, case: Case):
    case.before(here)
    ended = run(case.refused)
    assert ended.code == case.code, ended
    assert found(case.message).says(ended.out + ended.err), ended
    advised = re.search(case.advised, ended.err.strip())
    assert advised, ended.err
    obeyed = run(case.obeyed.format(advised[1], here))
    assert obeyed.code == case.ends, obeyed
