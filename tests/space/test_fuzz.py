"""Whatever the text, the answer is a search space or lines that each say where it breaks a rule."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from tmc_sweep.space import SpaceError, load, parse
from tmc_sweep.space.mistakes import MOST_TOLD

VALID = """\
version: 1
name: grid
base: {data: mnist, objective: tmc, architecture: {latents: [12, 4]}, train_images: 100, epochs: 5}
space:
  K: {grid_search: [1, 5], when: {weight_norm: [true]}}
  lr: {loguniform: [1e-5, 1e-2]}
  batch_size: {qloguniform: [8, 64, 8]}
  weight_norm: {choice: [false, true]}
cases: [{prior: learned, eval_k: 3}, {}]
exclude: [{K: 5, eval_k: 3}]
seeds: [0, 2]
statistic: {metric: test_objective, last: 50, mode: max}
search: {algorithm: random, num_samples: 4, seed: 1}
resources: {cpu: 1, gpu: 0.5, pack: auto, checkpoint_seconds: 0}
"""
WORDS = re.findall(r"\w[\w.-]*|\W", VALID)
OTHERS = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(["-1", "0", "1e-320", "1e308", ".nan", "9" * 400, "null", "true", "'", '"', "[", "}", "&a", "*a"]),
    st.text(max_size=5),
)


def outcome(text: str) -> str:
    """What a user is told; anything but a SpaceError is let through."""
    try:
        return f"{len(parse(text, 'x.yaml', max_trials=1_000).trials())} trials"
    except SpaceError as error:
        return str(error)


def is_fine(told: str) -> bool:
    if re.fullmatch(r"\d+ trials", told):
        return True
    lines = told.split("\n")
    places = [re.fullmatch(r"x\.yaml:(\d+):(\d+): .+", line) for line in lines]
    positions = [(int(place[1]), int(place[2])) for place in places if place]
    return (
        len(positions) == len(lines) <= MOST_TOLD + 1
        and positions == sorted(positions)
        and told.replace("\n", "").isprintable()
    )


def test_the_seed_is_valid():
    assert re.fullmatch(r"\d+ trials", outcome(VALID))


@given(st.text())
@example('"\\UFFFFFFFF"')
def test_any_text(text):
    assert is_fine(outcome(text))


@given(st.binary())
def test_any_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(content)
    try:
        load(path)
    except SpaceError as error:
        assert re.match(r":\d+:\d+: .+", str(error).removeprefix(str(path)))


@given(st.lists(st.tuples(st.integers(0, len(WORDS) - 1), OTHERS), min_size=1, max_size=4))
def test_words_replaced_in_a_valid_file(replacements):
    words = list(WORDS)
    for index, word in replacements:
        words[index] = word
    assert is_fine(outcome("".join(words)))


@given(st.integers(0, len(VALID)), st.integers(0, len(VALID)))
def test_a_valid_file_cut_out_or_repeated_in_part(start, stop):
    assert is_fine(outcome(VALID[:start] + VALID[stop:]))
