"""Texts of a crafted sweep leave through one door per medium: they are shown, and nobody obeys them."""

import base64
import csv
import re
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command import command
from hostile import TEXT, make_hostile, unshown
from markupsafe import escape
from stored import store
from verbs import OTHER, copied_as, ends, verbs

from tmc_sweep.paths import SweepPaths
from tmc_sweep.text import visible

FORMULA = r"[=+\-@\t\r\n]"
NEW_LINE = "\n"
QUICK = {"status", "statuses", "summary", "best", "compare", "csv", "tensorboard", "verify"}


def is_number(cell: str) -> bool:
    return re.fullmatch(r"-?[\d.]+(e-?\d+)?", cell) is not None


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> SweepPaths:
    paths = store(tmp_path_factory.mktemp("results"))
    for name in ("evaluate", "analyse"):
        list(ends(paths, tmp_path_factory.mktemp("scratch"), name))
    make_hostile(paths)
    make_hostile(copied_as(paths, OTHER))
    return paths


@pytest.mark.parametrize("quick", [True, pytest.param(False, marks=pytest.mark.long)])
def test_no_verb_lets_a_terminal_obey_a_text(paths: SweepPaths, tmp_path: Path, quick: bool):
    for name, ended in ends(paths, tmp_path, *(QUICK if quick else verbs(paths, tmp_path).keys() - QUICK - {"run"})):
        said = ended.out + ended.err
        assert (name, ended.code in {0, 1, 2, 3, 4}, unshown(said)) == (name, True, set())
        assert (name, re.findall("^forged", said, re.MULTILINE)) == (name, [])


@pytest.mark.parametrize("words", [("summary", "tiny"), ("compare", "tiny", OTHER)], ids=lambda each: each[0])
def test_no_cell_of_csv_on_stdout_is_a_formula(paths: SweepPaths, words: tuple[str, ...]):
    ended = command(*words, "--last", "2", "--csv", "--results", paths.results)
    rows = list(csv.reader(StringIO(ended.out)))
    cells = [cell for row in rows for cell in row]
    assert (ended.code, unshown(ended.out)) == (0, set())
    assert [cell for cell in cells if re.match(FORMULA, cell) and not is_number(cell)] == []
    assert f"'{visible(TEXT, also=NEW_LINE)}" in cells


def test_no_cell_of_exported_csv_is_a_formula(paths: SweepPaths, tmp_path: Path):
    assert command("export", "tiny", "--to", "csv", "-o", tmp_path / "out", "--results", paths.results).code == 0
    for file in (tmp_path / "out").iterdir():
        with file.open(newline="", encoding="utf-8") as text:
            cells = [cell for row in csv.reader(text) for cell in row]
        assert f"'{TEXT}" in cells
        assert [cell for cell in cells if re.match(FORMULA, cell) and not is_number(cell)] == []


def test_figures_and_pages_show_texts_as_they_are(paths: SweepPaths, tmp_path: Path):
    assert command("report", "tiny", "-o", tmp_path / "page.html", "--results", paths.results).code == 0
    page = (tmp_path / "page.html").read_text()
    assert unshown(page) == set()
    assert "<script>alert" not in page
    assert str(escape(visible(TEXT))) in page
    drawn = [base64.b64decode(each).decode() for each in re.findall('data:image/svg.xml;base64,([^"]+)', page)]
    assert drawn
    for svg in drawn:
        ElementTree.fromstring(svg)
        assert unshown(svg) == set()


def test_runs_in_other_programs_have_names_that_are_one_folder_each(paths: SweepPaths, tmp_path: Path):
    ended = command("export", "tiny", "--to", "tensorboard", "-o", tmp_path / "a" / "b", "--results", paths.results)
    assert (ended.code, [path.name for path in tmp_path.iterdir()]) == (0, ["a"])
    names = [path.name for path in (tmp_path / "a" / "b").iterdir()]
    assert len(names) == 2
    assert [name for name in names if not name.isascii() or not name.isprintable()] == []
