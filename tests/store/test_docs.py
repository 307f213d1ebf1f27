from pathlib import Path

from tmc_sweep.store.docs import columns_markdown


def test_the_page_is_the_generated_one():
    page = Path(__file__).parents[2] / "results" / "README.md"
    assert page.read_text() == columns_markdown(), "run: python -m tmc_sweep.store.docs > results/README.md"
