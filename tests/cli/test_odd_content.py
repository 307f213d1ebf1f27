"""Sealed files with odd content: every verb ends with an exit code of its own, and never with a traceback."""

import random
import shutil
import sys
from pathlib import Path

import odd
import pytest
from stored import store
from verbs import OTHER, copied_as, ends, verbs

from tmc_sweep.paths import SweepPaths

SEED = 14
CODES = {0, 1, 2, 3, 4}
NOT_TRIED = {"run"}  # it would train; what it reads first, `plan`, `repair` and `reproduce` read too


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> SweepPaths:
    """Of every kind of table, with a second sweep to compare with."""
    paths = store(tmp_path_factory.mktemp("results"))
    for name in ("evaluate", "analyse"):
        list(ends(paths, tmp_path_factory.mktemp("scratch"), name))
    copied_as(paths, OTHER)
    return paths


@pytest.mark.parametrize("changes", [4, pytest.param(300, marks=pytest.mark.long)])
def test_no_verb_ends_in_a_traceback(stored: SweepPaths, tmp_path: Path, changes: int):
    """Each change under some verbs, `verify` and `repair` among them; what repair leaves is whole."""
    chance, tried, wrong = random.Random(SEED), 0, []
    for number in range(changes):
        results = tmp_path / "results"
        shutil.rmtree(results, ignore_errors=True)
        shutil.copytree(stored.results, results)
        paths, scratch = SweepPaths(results, "tiny"), tmp_path / str(number)
        scratch.mkdir()
        what = odd.change(paths, chance)
        others = sorted(verbs(paths, scratch).keys() - NOT_TRIED - {"verify", "repair"})
        for verb in ("verify", *chance.sample(others, 3), "repair", "verify", chance.choice(others)):
            tried += 1
            try:
                ((_, ended),) = ends(paths, scratch, verb)
            except Exception as error:
                wrong.append(f"{number}: {what}: {verb}: {type(error).__name__} {error}"[:200])
            else:
                wrong += [f"{number}: {what}: {verb}: {ended.code}"] if ended.code not in CODES else []
    sys.stdout.write(f"seed {SEED}: {changes} changes, {tried} commands, {len(wrong)} wrong\n")
    assert wrong == []
