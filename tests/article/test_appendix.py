"""The article as an appendix of the report: where a sweep has cells of it, and nowhere else."""

import re
from html.parser import HTMLParser
from pathlib import Path

import invented
import numpy as np
import pytest

from tmc_sweep.article.appendix import appendix, has_cells
from tmc_sweep.report import figures
from tmc_sweep.report.page import page
from tmc_sweep.report.tables import SweepTables

GRID = """name: grid
base: {data: mnist, epochs: 60}
space: {objective: {grid_search: [iwae, tmc]}, lr: {grid_search: [1e-3, 1e-2]}}
seeds: 2
"""
BEGUN = GRID.replace("grid\n", "begun\n", 1)
DIGITS = GRID.replace("grid\n", "digits\n", 1).replace("mnist", "digits")


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures, which take most of a page's time."""
    monkeypatch.setattr(figures, "of", lambda _: [])


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SweepTables]:
    """One half done, one that has just begun, and one of other images."""
    folder: Path = tmp_path_factory.mktemp("results")

    def half(config) -> np.ndarray:
        values = invented.flat(lambda c: -93.0 + (c.objective == "tmc"))(config)
        return values[: 60 - 20 * config.seed] if config.lr == 1e-3 else np.r_[values[:6], np.nan]

    made = {GRID: half, BEGUN: lambda _: np.empty(0), DIGITS: half}
    tables = [invented.sweep(folder, text, curve) for text, curve in made.items()]
    return {each.name: each for each in tables}


def shown(*of: SweepTables) -> str:
    return page(of, appendix(of))


class Ids(HTMLParser):
    """Every id, and the tags that are open at the end."""

    VOID = ("meta", "link", "img", "wbr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str | None] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        self.open += [tag] * (tag not in self.VOID)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_sweep_of_other_images_shows_nothing_of_the_article(sweeps: dict[str, SweepTables]):
    assert appendix([sweeps["digits"]]) == ()
    words = re.findall(r"article|claim|verdict|published|Kviman", shown(sweeps["digits"]), re.I)
    assert words == []


@pytest.mark.parametrize(
    ("cells", "so"),
    [
        ("{data: mnist}", True),
        ("{data: mnist, objective: elbo, architecture: {latents: [4]}}", True),  # a bound never falls with samples
        ("{data: digits}", False),
        ("{data: cifar10}", False),
    ],
)
def test_a_sweep_is_of_the_article_by_its_cells(tmp_path: Path, cells: str, so: bool):
    assert has_cells(invented.sweep(tmp_path, f"{{name: some, base: {cells}}}", lambda _: np.empty(0))) is so


def test_its_numbers_stand_beside_ours(sweeps: dict[str, SweepTables]):
    text = shown(sweeps["grid"])
    assert text.index("<h3>Settings and prov") < text.index("<h2>Beside the article") < text.index("<h2>The article’s")
    for part in ("−91.63 ± 0.16", "40 of 1200 epochs", "<b>Table 1.</b> The table says", "Kviman, Nilsson and Larsson"):
        assert part in text
    assert re.search(r'href="#numbers">The article’s numbers</a> and <a href="#claims">claims</a>', text)


def test_what_it_adds_has_its_style_ids_of_its_own_and_every_tag_closed(sweeps: dict[str, SweepTables]):
    found = Ids(text := shown(sweeps["grid"], sweeps["begun"]))
    assert found.open == []
    assert len(found.ids) == len(set(found.ids))
    assert {"numbers", "claims", "claim-tmc-beats-iwae"} <= set(found.ids)
    assert ".verdict.holds {" in text


def test_of_a_sweep_that_has_just_begun_no_claim_is_measured(sweeps: dict[str, SweepTables]):
    text = shown(sweeps["begun"])
    assert 'id="numbers"' not in text
    assert '<span class="status verdict unmeasured">not yet measured:' in text
    assert '<span class="status verdict holds">' not in text


def test_claims_are_measured_over_all_sweeps_that_have_cells_of_it(sweeps: dict[str, SweepTables]):
    text = shown(sweeps["begun"], sweeps["grid"])
    (claim,) = re.findall(r'<li id="claim-tmc-beats-iwae".*?</details>', text, re.S)
    assert "mnist small K=20 lr=0.001" in claim
    assert "in grid" in claim
    assert "not yet measured</p>" in claim
    assert re.search(r"<summary>Elsewhere: \d+ readings", claim)
    assert "Measured over all of these sweeps." in text
    beside = shown(sweeps["digits"], sweeps["grid"])
    assert "Measured over grid." in beside
    assert "in digits" not in beside
