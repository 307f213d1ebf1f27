"""tmc-sweep report: where the page is written, and watching a sweep."""

import signal
from pathlib import Path

import invented
import numpy as np
import pytest
from command import command, start
from wait import HANGS_SECONDS

from tmc_sweep.report import page

TEXT = "{name: grid, base: {data: digits, epochs: 3}, seeds: 2}"


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures, which take most of a page's time."""
    monkeypatch.setattr("tmc_sweep.report.figures.of", lambda _: [])


@pytest.fixture
def going(tmp_path: Path) -> Path:
    """The results folder of a sweep with two epochs left."""
    invented.write(tmp_path, TEXT, lambda config: np.full(2, -30.0))
    return tmp_path


def finish(results: Path) -> None:
    invented.write(results, TEXT, lambda config: np.full(3, -30.0))


def test_it_is_written_beside_the_tables_or_where_one_says(going: Path):
    path = going / "grid.report.html"
    assert command("report", "grid", "grid", "--results", going).out == f"{path}\n"
    assert "<h1>grid</h1>" in path.read_text()
    other = going / "other.html"
    assert command("report", "grid", "--results", going, "-o", other).out == f"{other}\n"
    assert other.read_text() == path.read_text()
    assert sorted(entry.name for entry in going.iterdir() if "html" in entry.name) == ["grid.report.html", "other.html"]


def test_an_unknown_sweep_is_one_sentence(going: Path):
    ended = command("report", "grid", "gird", "--results", going)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("tmc-sweep: ")
    assert "did you mean 'grid'" in ended.err
    assert not (going / "grid.report.html").exists()


def test_a_folder_that_is_not_there_is_one_sentence(going: Path):
    ended = command("report", "grid", "--results", going, "-o", going / "none" / "page.html")
    assert ended.code == 4
    assert "cannot be written" in ended.err


def test_seconds_between_pages_are_for_watching(going: Path):
    ended = command("report", "grid", "--results", going, "--every", 5)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "tmc-sweep: --every must be given with --watch, but got --every 5 alone: add --watch\n"


def test_watching_writes_again_until_nothing_is_left(going: Path, monkeypatch: pytest.MonkeyPatch):
    seen = []
    write = page.write_page

    def written(path: Path, *arguments: object) -> bool:
        left = write(path, *arguments)
        seen.append('http-equiv="refresh" content="1"' in path.read_text())
        finish(going)
        return left

    monkeypatch.setattr(page, "write_page", written)
    assert command("report", "grid", "--results", going, "--watch", "--every", 1).code == 0
    assert seen == [True, False]


def test_ctrl_c_ends_watching_and_leaves_the_page(going: Path):
    process = start("report", "grid", "--results", str(going), "--watch", "--every", "60")
    path = going / "grid.report.html"
    said = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=HANGS_SECONDS)
    assert (process.returncode, said + out, err) == (130, f"{path}\n", "tmc-sweep: stopped by SIGINT\n")
    assert path.read_text().endswith("</html>")
