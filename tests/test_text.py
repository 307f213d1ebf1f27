"""Values as text: each kind in its one way."""

from datetime import UTC, datetime

import pytest

from tmc_sweep.text import amount, plain, quoted, short, shortened, shown


@pytest.mark.parametrize(
    ("value", "as_yaml", "as_shown"),
    [
        (True, "true", "true"),
        (-3, "-3", "−3"),
        (1e-5, "1e-05", "1e-05"),
        (-0.1234567, "-0.123457", "−0.123457"),
        (float("inf"), "inf", "not finite"),
        ("-text", "-text", "-text"),
        (None, "None", ""),
        (datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), "2025-01-02 03:04:05+00:00", "2025-01-02 03:04 UTC"),
    ],
)
def test_a_value_as_yaml_has_it_and_as_people_read_it(value: object, as_yaml: str, as_shown: str):
    assert (plain(value), shown(value)) == (as_yaml, as_shown)


def test_numbers_are_short_and_bytes_have_a_unit():
    assert [short(value) for value in (1e-5, 0.001, 20, 1e6)] == ["1e-5", "0.001", "20", "1e6"]
    assert [amount(size) for size in (12e9, 3.5e6, 1.2e5, 0)] == ["12 GB", "3.5 MB", "120 kB", "0 kB"]


def test_messages_quote_text_and_are_short():
    assert [quoted(value) for value in (None, True, 1, 1.5, "x")] == ["null", "true", "1", "1.5", "'x'"]
    assert [shortened("x" * 80), shortened("x" * 81)] == ["x" * 80, "x" * 77 + "..."]
