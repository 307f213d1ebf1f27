"""A list of widths is an architecture wherever one can stand: the same trials as the mapping that it is short for."""

import pytest

from tmc_sweep.config import PRESETS, TrialConfig
from tmc_sweep.space import SpaceError, parse

MAPPING = "{latents: [12, 4]}"


def trials(text: str, *overrides: str) -> list[str]:
    return [trial.trial_id for trial in parse(f"name: x\n{text}", "x.yaml", overrides=overrides).trials()]


@pytest.mark.parametrize(
    "text",
    [
        "base: {architecture: WIDTHS}",
        "space: {architecture: WIDTHS}",
        "space: {architecture: {grid_search: [WIDTHS, small, [8]]}}",
        "space: {architecture: {choice: [WIDTHS, large]}}\nsearch: {algorithm: random, num_samples: 5}",
        "cases: [{architecture: WIDTHS}, {architecture: small}]",
        "space: {architecture: {grid_search: [small, WIDTHS]}, K: {grid_search: [1, 5], when: {architecture: WIDTHS}}}",
        "space: {architecture: {grid_search: [small, WIDTHS]}, K: {grid_search: [1, 5], "
        "when: {architecture: [WIDTHS, large]}}}",
        "space: {architecture: {grid_search: [small, WIDTHS]}}\nexclude: [{architecture: WIDTHS}]",
        "space: {architecture: {grid_search: [small, WIDTHS, large]}}\nexclude: [{architecture: [WIDTHS, small]}]",
    ],
)
def test_it_is_the_same_trials(text: str):
    assert trials(text.replace("WIDTHS", "[12, 4]")) == trials(text.replace("WIDTHS", MAPPING))


def test_on_the_command_line_and_in_python():
    expected = trials(f"base: {{architecture: {MAPPING}}}")
    assert trials("", "architecture=[12, 4]") == expected
    assert trials("space: {architecture: {grid_search: [small, large]}}", "architecture=[12, 4]") == expected
    for widths in ([12, 4], (12, 4), {"latents": [12, 4]}):
        assert TrialConfig.parse({"architecture": widths}).trial_id == expected[0]
    assert TrialConfig.parse({"architecture": list(PRESETS["small"].latents)}).architecture == PRESETS["small"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("base: {architecture: [12, 0]}", "2:27: architecture.latents must be a list of 1 to 64 widths"),
        ("base: {architecture: [12, 4.0]}", "2:27: architecture.latents must be a list of 1 to 64 widths"),
        ("base: {architecture: [true, 4]}", "2:23: architecture.latents must be a list of 1 to 64 widths"),
        ("base: {architecture: []}", "2:22: architecture must be one of small, large, ablation, clustering, or widths"),
        ("space: {architecture: {grid_search: [[12, x]]}}", "2:38: architecture must be one of"),
        (f"space: {{architecture: {{grid_search: [[12, 4], {MAPPING}]}}}}", "2:47: architecture's values must differ"),
        ("seeds: [[1]]", "2:9: seed must be an integer from 0 to 2**63 - 1, but got [1]: write one value"),
    ],
)
def test_what_is_no_list_of_widths(text: str, expected: str):
    with pytest.raises(SpaceError) as caught:
        trials(text)
    assert str(caught.value).startswith(f"x.yaml:{expected}"), str(caught.value)


@pytest.mark.parametrize("values", ["[small, large]", "[[12, 4], [8]]", "[small, [12, 4]]", f"[{MAPPING}, large]"])
def test_of_a_list_of_architectures_each_is_tried_as_it_says(values: str):
    with pytest.raises(SpaceError) as caught:
        trials(f"space: {{architecture: {values}}}")
    advised = str(caught.value).split("to try each of them write ")[1].removesuffix(" under space")
    assert len(trials(f"space: {{architecture: {advised}}}")) == 2
