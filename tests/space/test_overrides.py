"""`--set field=value`: what comes of it, what it refuses, and that the stored text says what the file says with it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_fuzz import OTHERS, VALID, WORDS

from tmc_sweep.errors import InputError
from tmc_sweep.space import SearchSpace, SpaceError, parse
from tmc_sweep.space.mistakes import Mark
from tmc_sweep.space.source import YamlNode, document, tree

FILE = """\
# A comment.
name: x
base: {data: digits, K: 7, epochs: 500}
space:
  lr: {grid_search: [1e-3, 1e-2]}
cases:
  - {objective: iwae, architecture: small}
  - {objective: tmc, architecture: small}
  - {objective: tmc, architecture: large}
seeds: 3
"""


def overridden(*overrides: str, text: str = FILE) -> SearchSpace:
    return parse(text, "x.yaml", overrides=overrides)


def values(space: SearchSpace, *names: str) -> set[tuple[object, ...]]:
    return {tuple(getattr(trial, name) for name in names) for trial in space.trials()}


def test_a_constant_takes_the_place_of_the_file_s_or_joins_it():
    space = overridden("epochs=10", "train_images=100", "adam_eps=1e-8")
    assert values(space, "epochs", "train_images", "adam_eps", "K") == {(10, 100, 1e-8, 7)}
    assert space.replaced == ()
    assert parse("name: x", "x.yaml", overrides=["K=3"]).trials()[0].K == 3


def test_a_searched_field_becomes_a_constant_and_that_is_said():
    space = overridden("lr=1e-4")
    assert values(space, "lr") == {(1e-4,)}
    assert space.replaced == ("--set lr=0.0001 replaces {grid_search: [0.001, 0.01]}",)


def test_of_cases_that_become_the_same_one_is_left():
    space = overridden("architecture={latents: [12, 4]}", "lr=1e-3", "seeds=1")
    assert [trial.objective for trial in space.trials()] == ["iwae", "tmc"]
    assert space.replaced[0] == "--set architecture={latents: [12, 4]} replaces its values in cases"
    assert len(overridden("architecture=small", "objective=tmc", "lr=1e-3", "seeds=1").trials()) == 1


def test_what_is_tied_to_another_value_goes_and_the_rest_stays():
    text = """
name: x
space:
  objective: {grid_search: [iwae, tmc]}
  weight_norm: {grid_search: [false, true], when: {objective: tmc}}
  prior: {grid_search: [standard, learned], when: {objective: [iwae, elbo]}}
exclude: [{objective: iwae, prior: learned}, {objective: tmc, weight_norm: true}]
"""
    assert values(overridden("objective=iwae", text=text), "objective", "prior") == {("iwae", "standard")}
    assert "weight_norm" not in overridden("objective=iwae", text=text).text
    assert values(overridden("objective=tmc", text=text), "weight_norm") == {(False,)}
    assert "exclude" not in overridden("objective=elbo", text=text).text


def test_seeds_name_and_what_the_sections_hold():
    space = overridden("seeds=[4]", "name=small-x", "resources.cpu=2", "statistic.last=5")
    assert (list(space.seeds), space.name) == ([4], "small-x")
    assert (space.resources.cpu, space.statistic.last) == (2, 5)


def test_the_text_is_the_file_with_the_values_in_it():
    assert overridden("epochs=10", "lr=1e-3", "resources.gpu=0").text.splitlines() == [
        "# --set epochs=10 --set lr=0.001 --set resources.gpu=0",
        "name: x",
        "base:",
        "  data: digits",
        "  K: 7",
        "  epochs: 10",
        "  lr: 0.001",
        "cases:",
        "  - {objective: iwae, architecture: small}",
        "  - {objective: tmc, architecture: small}",
        "  - {objective: tmc, architecture: large}",
        "seeds: 3",
        "resources:",
        "  gpu: 0",
    ]
    assert overridden().text == FILE


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("epochs", "--set must be field=value, such as epochs=10, but got 'epochs': write it so"),
        ("epochs=", "--set must be field=value, such as epochs=10, but got 'epochs='"),
        ("epochs= # ten", "--set must be field=value"),
        ("=10", "--set =10:  is not a known key: the known ones are data"),
        ("epoch=10", "--set epoch=10: epoch is not a known key: did you mean 'epochs'? The known ones are data"),
        ("seed=1", "--set seed=1: seed is not a known key: did you mean 'seeds'?"),
        ("base=1", "--set base=1: base is not a known key: the known ones are data"),
        ("resources.cpux=1", "--set resources.cpux=1: resources.cpux is not a known key: did you mean 'resources.cpu'"),
        ("epochs=x", "--set epochs=x: epochs must be an integer from 1 to 1000000, but got 'x'"),
        ("epochs=null", "--set epochs=null: epochs must have a value, but got null: write one"),
        ("epochs=010", "--set epochs=010: an integer must have no leading zeros"),
        ("K=[1, 5]", "--set K=[1, 5]: K must be an integer from 1 to 10000, but got [1, 5]"),
        (
            "K={grid_search: [1]}",
            "--set K={grid_search: [1]}: K must be an integer from 1 to 10000, but got a grid_sea",
        ),
        ("weight_norm=yes", "--set weight_norm=yes: a truth value must be true or false, but got yes"),
        ("architecture={latents: [0]}", "--set architecture={latents: [0]}: architecture.latents must be a list"),
        ("architecture={", "--set architecture={: the text must be YAML 1.2, but "),
        ("data=!!str mnist", "--set data=!!str mnist: values must have no anchors or tags"),
        ("data=\x1b", "--set data=\\x1b: the text must hold printable characters only"),
        ("data=\udcff", "--set data=\\udcff: the text must hold printable characters only"),
        ("K=" + "9" * 2000, "--set K=" + "9" * 58 + ": a value must be at most 1000 characters, but got 2000"),
        ("name=../x", "--set name=../x: a sweep's name must be"),
        ("name=5", "--set name=5: name must be 1 to 64 characters"),
        ("seeds=0", "--set seeds=0: seeds must be a number of seeds"),
        ("resources.cpu=0", "--set resources.cpu=0: resources.cpu must be a positive number of cores, but got 0"),
        ("search.num_samples=3", "--set search.num_samples=3: search.num_samples must be left out for algorithm grid"),
        ("train_images=1500", "--set train_images=1500: train_images must be at most 1437 here (data: digits)"),
    ],
)
def test_refusals(override: str, expected: str):
    with pytest.raises(InputError) as caught:
        overridden(override)
    assert str(caught.value).startswith(expected)
    assert str(caught.value).isprintable()


def test_of_several_for_one_field_the_last_counts():
    assert values(overridden("K=1", "epochs=5", "K=2"), "K", "epochs") == {(2, 5)}


def test_what_is_wrong_in_the_file_is_said_of_the_file():
    with pytest.raises(SpaceError, match=r"^x\.yaml:2:7: base must be a mapping"):
        overridden("K=1", text="name: x\nbase: [5]")
    with pytest.raises(SpaceError, match=r"^x\.yaml:2:12: K must be an integer"):
        overridden("lr=1", text="name: x\nspace: {K: 0, lr: 1}")


OVERRIDES = st.lists(
    st.one_of(
        st.text(max_size=10),
        st.sampled_from(
            ["epochs=3", "K=5", "seeds=2", "lr=1e-4", "weight_norm=true", "resources.gpu=0", "prior=learned"]
        ),
        st.tuples(st.sampled_from(["epochs", "K", "name", "seeds", "search.seed", "lr"]), OTHERS).map("=".join),
    ),
    min_size=1,
    max_size=3,
)


@given(OVERRIDES, st.lists(st.tuples(st.integers(0, len(WORDS) - 1), OTHERS), max_size=2))
def test_whatever_is_set_in_whatever_file_there_is_one_line_or_the_text_reads_as_the_same_trials(overrides, replaced):
    words = list(WORDS)
    for index, word in replaced:
        words[index] = word
    try:
        space = parse("".join(words), "x.yaml", 1_000, overrides)
    except InputError as error:
        assert all(re.match(r"x\.yaml:\d+:\d+: |--set ", line) for line in str(error).split("\n"))
        assert str(error).replace("\n", "").isprintable()
    else:
        assert parse(space.text, "x.yaml", 1_000).trials() == space.trials()


MARK = Mark("", 1, 1)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=9),
    st.sampled_from(["yes", "null", "010", "1:2", "#", "a: b", "\ud800", "\u2028", "😀", "-", "1e-3", "", "~"]),
).map(lambda value: YamlNode(MARK, value))
KEYS = st.text(max_size=9).filter(lambda key: key != "<<" and not re.fullmatch("(?i)yes|no|on|off", key))
NODES = st.recursive(
    SCALARS,
    lambda nodes: st.one_of(st.lists(nodes, max_size=3), st.dictionaries(KEYS, nodes, max_size=3)).map(
        lambda value: YamlNode(MARK, value)
    ),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, NODES, min_size=1, max_size=4))
def test_a_document_reads_as_the_tree_it_was_written_from(mapping):
    root = YamlNode(MARK, mapping)
    assert repr(tree(document(root), "x.yaml").plain()) == repr(root.plain())


def test_the_document_of_a_valid_file_is_itself_valid():
    again = document(tree(VALID, "x.yaml"))
    assert parse(again, "x.yaml").trials() == parse(VALID, "x.yaml").trials()
