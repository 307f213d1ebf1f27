"""Files of other programs: each word of theirs is told in ours, all at once; the file that obeys is a search space."""

import pytest

from tmc_sweep.space import SpaceError, parse
from tmc_sweep.space.foreign import domain
from tmc_sweep.space.source import flow, tree, unplaced

WANDB = """program: train.py
method: random
name: mine
metric: {name: test_iwae, goal: maximize}
parameters:
  lr: {distribution: log_uniform_values, min: 1e-5, max: 1e-2}
  K: {values: [5, 20]}
  batch_size: {min: 16, max: 64}
  weight_norm: {value: true}
  dataset: {value: digits}
early_terminate: {type: hyperband, min_iter: 3}
"""
KATIB = """apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {namespace: kubeflow}
spec:
  algorithm: {algorithmName: random}
  parameters:
    - {name: lr, parameterType: double, feasibleSpace: {min: "0.01", max: "0.05"}}
    - {name: K, parameterType: int, feasibleSpace: {min: "2", max: "5"}}
    - {name: objective, parameterType: categorical, feasibleSpace: {list: [iwae, tmc]}}
"""
HYDRA = """defaults: [{override hydra/sweeper: optuna}]
name: mine
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      lr: tag(log, interval(1e-5, 1e-2))
      K: choice(5, 20)
      batch_size: int(interval(16, 64))
      objective: iwae,tmc
"""
SEML = """seml: {executable: x.py}
slurm: {experiments_per_job: 1}
name: mine
fixed: {epochs: 5}
grid:
  lr: {type: loguniform, min: 1e-5, max: 1e-1, num: 5}
  K: {type: choice, options: [1, 2]}
random: {samples: 3, seed: 821}
"""
RLLIB = """ppo:
  env: CartPole-v1
  run: PPO
  config:
    lr: {grid_search: [1e-3, 1e-2]}
    K: tune.randint(1, 5)
    objective: tmc
"""


def told(text: str) -> list[str]:
    with pytest.raises(SpaceError) as caught:
        parse(text, "x")
    return list(caught.value.lines)


@pytest.mark.parametrize(
    ("text", "said", "ours"),
    [
        (
            WANDB,
            [
                "1:1: program must be said in words of a search space: remove it",
                "2:1: method must .* write search: {algorithm: random, num_samples: 40}",
                "4:1: metric must be said in words of a search space: call it statistic",
                "4:10: name is not a known key: did you mean 'metric'?",
                "4:27: goal is not a known key: did you mean 'mode'?",
                "5:1: parameters must be said in words of a search space: call it space",
                "6:7: lr must .* write {loguniform: [1e-05, 0.01]} under space",
                "7:6: K must .* write {grid_search: [5, 20]} under space",
                "8:15: batch_size must .* write {randint: [16, 65]} under space",
                "9:16: weight_norm must .* write true",
                "10:3: dataset is not a known key: did you mean 'data'?",
                "11:1: early_terminate must be said in words of a search space: call it scheduler",
                "11:19: type is not a known key: did you mean 'algorithm'?",
                "11:36: min_iter is not a known key: did you mean 'grace_epochs'?",
            ],
            "search: {algorithm: random, num_samples: 40}\nname: mine\nstatistic: {metric: val_iwae, mode: max}\n"
            "base: {validation_images: 9, eval_k: 5, data: digits}\n"
            "space: {lr: {loguniform: [1e-05, 0.01]}, K: {grid_search: [5, 20]}, batch_size: {randint: [16, 65]}, "
            "weight_norm: true}\nscheduler: {algorithm: asha, grace_epochs: 3}",
        ),
        (
            KATIB,
            [
                "1:1: name is required",
                "1:1: apiVersion must be said in words of a search space: remove it",
                "2:1: kind must .* remove it",
                "3:1: metadata must .* remove it",
                "4:1: spec must .* write what it has as parameters under space",
                "7:7: lr must .* write {uniform: [0.01, 0.05]} under space",
                "8:7: K must .* write {randint: [2, 6]} under space",
                "9:7: objective must .* write {grid_search: [iwae, tmc]} under space",
            ],
            "name: x\nspace: {lr: {uniform: [0.01, 0.05]}, K: {randint: [2, 6]}, "
            "objective: {grid_search: [iwae, tmc]}}\nsearch: {algorithm: random, num_samples: 40}",
        ),
        (
            HYDRA,
            [
                "1:1: defaults must .* remove it",
                "3:1: hydra must .* write what it has as sweeper.params under space",
                "7:11: lr must .* write {loguniform: [1e-05, 0.01]} under space",
                "8:10: K must .* write {grid_search: [5, 20]} under space",
                "9:19: batch_size must .* write {randint: [16, 65]} under space",
                "10:18: objective must .* write {grid_search: [iwae, tmc]} under space",
            ],
            "name: mine\nspace: {lr: {loguniform: [1e-05, 0.01]}, K: {grid_search: [5, 20]}, "
            "batch_size: {randint: [16, 65]}, objective: {grid_search: [iwae, tmc]}}\n"
            "search: {algorithm: random, num_samples: 40}",
        ),
        (
            SEML,
            [
                "1:1: seml must .* remove it",
                "2:1: slurm must .* remove it",
                "4:1: fixed must .* call it base",
                "5:1: grid must .* call it space",
                "6:7: lr must .* write {grid_search: [1e-05, 0.0001, 0.001, 0.01, 0.1]} under space",
                "7:6: K must .* write {grid_search: [1, 2]} under space",
                "8:1: random must .* write search: {algorithm: random, num_samples: 40}",
            ],
            "name: mine\nbase: {epochs: 5}\nspace: {lr: {grid_search: [1e-05, 0.0001, 0.001, 0.01, 0.1]}, "
            "K: {grid_search: [1, 2]}}\nsearch: {algorithm: random, num_samples: 40}",
        ),
        (
            RLLIB,
            [
                "1:1: name is required",
                "1:1: ppo must .* write what it has as config under space",
                "6:8: K must .* write {randint: [1, 5]} under space",
            ],
            "name: x\nspace: {lr: {grid_search: [1e-3, 1e-2]}, K: {randint: [1, 5]}, objective: tmc}\n"
            "search: {algorithm: random, num_samples: 2}",
        ),
    ],
    ids=["W&B", "Katib", "Hydra", "SEML", "RLlib"],
)
def test_a_file_of_another_program_is_brought_over_by_what_its_errors_say(text: str, said: list[str], ours: str):
    lines = told(text)
    assert len(lines) == len(said), lines
    for line in said:
        start, _, end = line.partition(" .* ")
        assert any(each.startswith(f"x:{start}") and end in each for each in lines), (line, lines)
    assert parse(ours, "x").trials()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("{distribution: log_uniform, min: -9.21034037, max: -4.60517019}", "{loguniform: [0.0001, 0.01]}"),
        ("{distribution: q_uniform, min: 1, max: 2, q: 0.5}", "{quniform: [1, 2, 0.5]}"),
        ("{distribution: normal, mu: 1, sigma: 0.25}", "{uniform: [0.5, 1.5]}"),
        ("{distribution: int_uniform, min: 1, max: 5}", "{randint: [1, 6]}"),
        ("{parameterType: double, feasibleSpace: {min: '1e-4', max: '1e-2', distribution: logUniform}}", None),
        ("{type: range, min: 1, max: 7, step: 2}", "{grid_search: [1, 3, 5]}"),
        ("{type: randint, min: 1, max: 5}", "{randint: [1, 5]}"),
        ("{type: float, low: -5.5, high: 5.5, step: 0.5}", "{quniform: [-5.5, 5.5, 0.5]}"),
        ("tune.grid_search([1, 2])", "{grid_search: [1, 2]}"),
        ("tune.choice([1, 2])", "{choice: [1, 2]}"),
        ("tune.qloguniform(8, 64, 8)", "{qloguniform: [8, 64, 8]}"),
        ("range(5)", "{grid_search: [0, 1, 2, 3, 4]}"),
        ("range(1, 2, step=0.5)", "{grid_search: [1.0, 1.5]}"),
        ("int(tag(log, interval(1, 512)))", "{lograndint: [1, 513]}"),
        ("shuffle(choice(1, 2))", "{grid_search: [1, 2]}"),
    ],
)
def test_a_dimension_in_words_of_another_program(theirs: str, ours: str | None):
    known = domain(unplaced(theirs) if "(" in theirs else tree(theirs, "x"))
    assert known
    found = flow(known)
    assert found == (ours or "{loguniform: [0.0001, 0.01]}")
    assert flow(tree(found, "x")) == found


@pytest.mark.parametrize(
    "words",
    [
        "mnist",
        "choice(",
        "range(1e9)",
        "range(1, 2, 0)",
        "tune.sample_from(x)",
        "interval(1)",
        "tag()",
        "a(b)c",
        "(",
        ",",
    ],
)
def test_what_nobody_says_is_left_to_the_usual_sentence(words: str):
    assert domain(unplaced(words)) is None


@pytest.mark.parametrize("words", ["{min: x, max: 1}", "{feasibleSpace: 5}", "{min: 1}", "{latents: [4]}", "{}"])
def test_words_that_are_no_dimension(words: str):
    assert domain(tree(words, "x")) is None
