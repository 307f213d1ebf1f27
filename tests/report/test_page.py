"""The page: it holds what the tables hold, escaped, fetches nothing, and is there from a sweep's first moment."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import invented
import numpy as np
import pytest

from tmc_sweep.records import EVALUATION_COLUMNS, TRIAL_COLUMNS
from tmc_sweep.report import figures
from tmc_sweep.report.page import Appendix, page
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.report.views import MAX_ROWS, TableCell, differences, evaluations, summary, table, trials
from tmc_sweep.store.artefacts import EVALUATIONS

GRID = """# for <b>people</b> & machines
name: grid
base: {data: mnist, epochs: 60}
space: {objective: {grid_search: [iwae, tmc]}, lr: {grid_search: [1e-3, 1e-2]}}
seeds: 2
"""
REASON = "</td><script>alert(1)</script>"


def curve(config) -> np.ndarray:
    values = invented.flat(lambda c: -93.0 + (c.objective == "tmc"))(config)
    return np.r_[values[:6], np.nan] if config.lr == 1e-2 else values[: 60 - 20 * config.seed]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of which half is done, a half of that diverged, and one that has just begun."""
    folder = tmp_path_factory.mktemp("results")
    invented.write(
        folder, GRID, curve, known=lambda c: {"reason": REASON if c.lr == 1e-2 else None, "host": "<i>h</i>"}
    )
    invented.write(folder, GRID.replace("grid", "begun", 1).replace("grid\n", "begun\n"), lambda config: np.empty(0))
    measured = {
        "epoch": 60,
        "bound": "iwae",
        "value": -92.5,
        "standard_error": 0.4,
        "seconds": 3.0,
        "time": invented.TIME,
    }
    invented.add(folder, "grid", EVALUATIONS, lambda row: [{**measured, "samples": 5000}] if row["lr"] == 1e-3 else [])
    return folder


@pytest.fixture(scope="module")
def half(results: Path) -> SweepTables:
    return SweepTables.read(results, "grid")


@pytest.fixture(scope="module")
def text(half: SweepTables) -> str:
    return page([half])


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures, which take most of a page's time."""
    monkeypatch.setattr(figures, "of", lambda _: [])


class Tags(HTMLParser):
    """Every tag with its attributes, and those that are open at the end."""

    VOID = ("meta", "link", "img", "wbr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open += [tag] * (tag not in self.VOID)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_tag_is_closed_and_ids_are_unique(text: str):
    tags = Tags(text)
    assert tags.open == []
    ids = [attributes["id"] for _, attributes in tags.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for tag, attributes in tags.tags if tag == "a"}
    assert links <= {f"#{name}" for name in ids}


def test_what_tables_hold_is_text(text: str):
    assert REASON not in text
    assert "&lt;/td&gt;&lt;script&gt;alert(1)" in text
    assert "&lt;i&gt;h&lt;/i&gt;" in text
    assert "# for &lt;b&gt;people&lt;/b&gt; &amp; machines" in text


def test_nothing_is_fetched_and_only_the_pages_own_script_and_style_run(text: str):
    tags = Tags(text).tags
    fetched = [
        value for tag, attributes in tags if tag != "a" for name in ("src", "href") if (value := attributes.get(name))
    ]
    assert all(value.startswith("data:") for value in fetched)
    assert not [attributes for _, attributes in tags if any(name.startswith(("on", "style")) for name in attributes)]
    (policy,) = [a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


@pytest.mark.usefixtures("undrawn")
def test_the_same_tables_give_the_same_page(results: Path, half: SweepTables):
    assert page([half]) == page([SweepTables.read(results, "grid")])


def test_a_half_finished_sweep_has_every_part(half: SweepTables, text: str):
    for heading in (
        "Figures",
        "Paired differences",
        "Evaluations",
        "Trials",
        "Settings and prov",
    ):
        assert f"<h3>{heading}" in text
    assert text.count("<figure>") == len(figures.of(half))
    assert '<span class="status diverged">4 diverged</span>' in text
    assert "mnist 0123456789abcdef" in text
    assert "torch 2.10.0" in text


def test_an_evaluation_shows_the_fields_that_tell_its_cell(half: SweepTables, results: Path):
    titles = [head.title for head in evaluations(half).heads]
    assert titles[:5] == ["objective", "architecture", "K", "lr", "epoch"]
    assert evaluations(SweepTables.read(results, "begun")).rows == ()


def test_a_sweep_that_has_just_begun_has_a_page(results: Path):
    text = page([SweepTables.read(results, "begun")])
    assert "No epoch has ended yet." in text


@pytest.mark.usefixtures("undrawn")
def test_several_sweeps_are_listed_at_the_top(results: Path, half: SweepTables):
    text = page([SweepTables.read(results, "begun"), half])
    assert "<h1>begun, grid</h1>" in text
    assert re.findall('<li><a href="#sweep-(.*?)">', text) == ["begun", "grid"]


@pytest.mark.usefixtures("undrawn")
def test_an_appendix_stands_after_the_sweeps_under_the_pages_policy(half: SweepTables):
    text = page([half], [Appendix('<p id="head">h</p>', '<p id="body">b</p>', "A & B, 2020", "#body { color: red; }")])
    assert text.index('<p id="head">') < text.index("<main>") < text.index("</section>") < text.index('<p id="body">')
    assert "alone. A &amp; B, 2020</p>" in text
    (style,) = re.findall("<style>(.*?)</style>", text, re.S)
    assert style.endswith("#body { color: red; }")
    assert f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}" in text


@pytest.mark.usefixtures("undrawn")
def test_the_page_reloads_itself_only_while_it_is_watched(half: SweepTables, text: str):
    assert 'http-equiv="refresh"' not in text
    assert '<meta http-equiv="refresh" content="7">' in page([half], refresh_seconds=7)


def test_a_figure_of_many_marks_is_embedded_as_png(half: SweepTables, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tmc_sweep.report.page.MAX_SVG_BYTES", 0)
    monkeypatch.setattr(figures, "of", lambda sweep, of=figures.of: of(sweep)[:1])
    assert 'src="data:image/png;base64,iVBOR' in page([half])


@pytest.mark.usefixtures("undrawn")
def test_a_sweep_whose_cells_were_stopped_is_over(tmp_path: Path):
    known = lambda c: {"status": "stopped", "reason": "asha"} if c.lr == 1e-2 else {}  # noqa: E731
    shown = invented.sweep(tmp_path, GRID, lambda c: np.full(9 if c.lr == 1e-2 else 60, -90.0), known=known)
    assert "<span>276 of 276 epochs" in page([shown])


def test_a_trial_says_how_it_was_packed_and_why_it_ended_beside_its_status(half: SweepTables):
    heads = [head.title for head in trials(half).heads]
    assert heads[heads.index("status") + 1] == "reason"
    assert "pack_size" in heads
    assert "gpu" not in heads
    assert "gpu" in [head.title for head in trials(replace(half, trials=half.trials.assign(gpu=0.5))).heads]


def test_why_a_number_is_missing_stands_in_its_place_and_sorts_as_none(tmp_path: Path):
    level = lambda config: np.full(60, -90.0) if config.lr == 1e-3 else np.array([np.nan])  # noqa: E731
    shown = invented.sweep(tmp_path, GRID.replace("seeds: 2", "seeds: 1"), level)
    cells = {(row[0].text, row[3].text): row[4] for row in summary(shown).rows}
    assert cells["iwae", "0.01"] == TableCell("seed 0 diverged in epoch 1")
    assert cells["iwae", "0.001"] == TableCell("−90.000", "-90.0")
    made = differences(shown)
    by_lr, by_objective = ([row for row in made.rows if row[0].text == by] for by in ("lr", "objective"))
    at = [head.title for head in made.heads].index("mean_difference")
    assert by_lr[0][at] == TableCell("seed 0 of lr 0.01 diverged in epoch 1")
    assert [cell.text for cell in by_objective[0][at : at + 2]] == [
        "+0.000",
        "one common seed, and an interval needs two",
    ]


def test_the_summary_of_a_search_begins_with_its_best(tmp_path: Path):
    search = "space: {lr: {uniform: [0.001, 1]}}, search: {algorithm: random, num_samples: 5}"
    grid = "space: {lr: {grid_search: [0.1, 0.2, 0.3]}}"
    for text, first in ((search, max), (grid, min)):
        text = f"{{name: some, base: {{data: digits, epochs: 60}}, {text}}}"
        shown = invented.sweep(tmp_path / first.__name__, text, invented.flat(lambda config: config.lr - 30))
        assert summary(shown).rows[0][3].text == f"{first(shown.trials['lr']):.6g}"


def test_a_table_that_is_too_long_says_how_many_rows_are_left_out():
    made = table("Trials", TRIAL_COLUMNS, ["K"], [{"K": k} for k in range(MAX_ROWS + 2)])
    assert (len(made.rows), made.left_out) == (MAX_ROWS, 2)


@pytest.mark.parametrize(
    ("space", "fields", "first"),
    [
        ("{K: {grid_search: [2, 5]}}", [], ["K", "5", "2"]),
        ("{objective: {grid_search: [iwae, tmc]}}", [], ["objective", "tmc", "iwae"]),
        ("{K: {grid_search: [2, 5]}, lr: {grid_search: [1, 2]}}", ["K", "lr"], ["K", "5", "2", "", "1"]),
    ],
)
def test_differences_name_the_fields_that_vary_but_no_evaluation_that_follows_k(tmp_path: Path, space, fields, first):
    text = f"{{name: some, base: {{data: digits, epochs: 60}}, space: {space}}}"
    made = differences(invented.sweep(tmp_path, text, invented.flat(lambda config: -30.0 - config.K)))
    named = ["by", "value", "baseline", *fields]
    assert [head.title for head in made.heads][: len(named) + 1] == [*named, "mean_difference"]
    assert [cell.text for cell in made.rows[0]][: len(named)] == first


@pytest.mark.parametrize(
    ("name", "value", "shown", "key"),
    [
        ("value", -91.25, "−91.250", "-91.25"),
        ("value", float("nan"), "not finite", ""),
        ("value", None, "", ""),
        ("value", -937066990.072, "−9.37067e+08", "-937066990.072"),
        ("weight_norm", True, "true", "True"),
        ("lr", 1e-05, "1e-05", "1e-05"),
        ("time", invented.TIME, "2025-01-01 00:00 UTC", "2025-01-01 00:00:00+00:00"),
    ],
)
def test_values_are_short_and_sort_by_what_they_are(name: str, value: object, shown: str, key: str):
    (((cell,),),) = (table("Evaluations", EVALUATION_COLUMNS, [name], [{name: value}]).rows,)
    assert (cell.text, cell.key) == (shown, key)
