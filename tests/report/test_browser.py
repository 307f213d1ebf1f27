"""The page in a real, headless Chromium: Debian's, with its driver."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import invented
import numpy as np
import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tmc_sweep.article.appendix import appendix
from tmc_sweep.report import figures
from tmc_sweep.report.page import page

pytestmark = pytest.mark.cluster

TEXT = """name: grid
base: {data: mnist, epochs: 60}
space: {objective: {grid_search: [iwae, tmc]}, K: {grid_search: [5, 20, 100]}}
seeds: 2
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with Chrome(options=options, service=Service(driver)) as opened:
        yield opened


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> invented.SweepTables:
    def curve(config) -> np.ndarray:
        values = invented.flat(lambda c: -93.0 + (c.objective == "tmc"))(config)
        return values[:0] if config.K == 100 else values

    return invented.sweep(tmp_path_factory.mktemp("results"), TEXT, curve)


@pytest.fixture(scope="module")
def opened(browser: Chrome, sweep: invented.SweepTables, tmp_path_factory: pytest.TempPathFactory) -> Chrome:
    path: Path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page([sweep], appendix([sweep])))
    browser.get(path.as_uri())
    return browser


def column(browser: Chrome, table: str, name: str) -> list[str]:
    """What a column of the sortable table under this heading shows, from the top."""
    script = """
        const tables = [...document.querySelectorAll("table")];
        const table = tables.find((each) => each.caption.textContent.startsWith(arguments[0]));
        const heads = [...table.tHead.rows[0].cells].map((head) => head.textContent);
        return [...table.tBodies[0].rows].map((row) => row.cells[heads.indexOf(arguments[1])].textContent.trim());
    """
    return browser.execute_script(script, table, name)


def header(browser: Chrome, table: str, name: str):
    path = f"//table[caption[starts-with(., '{table}')]]//th[. = '{name}']"
    return browser.find_element(By.XPATH, path)


def test_it_opens_without_a_word_on_the_console_or_a_request(opened: Chrome):
    assert opened.title == "grid: report of tmc-sweep"
    assert opened.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    assert [url for url in asked if url.startswith("file:")] == [opened.current_url]


def test_a_request_and_an_error_would_be_seen(opened: Chrome):
    opened.execute_script("new Image().src = 'http://127.0.0.1:9/planted.png'")
    assert "planted.png" in opened.get_log("browser")[0]["message"]  # the policy refused it


def test_every_figure_shows(opened: Chrome, sweep: invented.SweepTables):
    widths = opened.execute_script("return [...document.images].map((image) => image.naturalWidth)")
    assert len(widths) == len(figures.of(sweep))
    assert all(width > 0 for width in widths)


def test_a_click_sorts_by_number_and_another_the_other_way(opened: Chrome):
    head = header(opened, "Trials", "K")
    head.find_element(By.TAG_NAME, "button").click()
    assert column(opened, "Trials", "K") == ["5"] * 4 + ["20"] * 4 + ["100"] * 4
    assert head.get_attribute("aria-sort") == "ascending"
    head.find_element(By.TAG_NAME, "button").click()
    assert column(opened, "Trials", "K") == ["100"] * 4 + ["20"] * 4 + ["5"] * 4
    assert head.get_attribute("aria-sort") == "descending"


def test_the_keyboard_sorts_text_and_keeps_what_is_empty_last(opened: Chrome):
    button = header(opened, "Trials", "host").find_element(By.TAG_NAME, "button")
    for _ in range(2):
        button.send_keys(Keys.ENTER)
        assert column(opened, "Trials", "host") == ["one"] * 8 + [""] * 4
    assert header(opened, "Trials", "K").get_attribute("aria-sort") is None


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_page_itself_never_scrolls_sideways(opened: Chrome, width: int):
    resize(opened, width)
    shown = opened.execute_script("const page = document.documentElement; return [page.scrollWidth, page.clientWidth]")
    assert shown[0] == shown[1] <= width


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_statistic_shows_without_scrolling(opened: Chrome, width: int):
    resize(opened, width)
    edges = """
        const right = (element) => element.getBoundingClientRect().right;
        const box = [...document.querySelectorAll(".scroll")].find((each) => each.ariaLabel.startsWith("Summary"));
        return [...box.querySelectorAll("td[data-head=mean], td[data-head^=std]")].map((td) => right(box) - right(td));
    """
    found = opened.execute_script(edges)
    assert len(found) == 4 * 4  # cells, and columns
    assert min(found) >= 0


def test_on_a_phone_no_table_is_wider_than_the_page(opened: Chrome):
    resize(opened, 360)
    cut = "return [...document.querySelectorAll('.scroll:has(table)')].map((box) => box.scrollWidth - box.clientWidth)"
    assert set(opened.execute_script(cut)) == {0}


def resize(browser: Chrome, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
