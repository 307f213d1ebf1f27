"""Every broken rule is one line, FILE:LINE:COLUMN: rule, got, fix, that points at the very value or key."""

import time

import pytest

from tmc_sweep.space import SpaceError, load, parse
from tmc_sweep.space.load import parse_stored

OWN = ", or package.module:Name of one's own"
RANDOM = "\nsearch: {algorithm: random, num_samples: 3}"


def refusal(text):
    with pytest.raises(SpaceError) as caught:
        parse(text, "x.yaml")
    return str(caught.value)


def check(text, expected):
    lines = refusal(text).split("\n")
    assert any(line.startswith(f"x.yaml:{expected}") for line in lines), lines
    assert all(map(str.isprintable, lines))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seeds: 1", "1:1: name is required, but is missing: add it"),
        ("name: 5", "1:7: name must be 1 to 64 characters out of a-z, 0-9, _ and -"),
        ("name: ../../x", "1:7: a sweep's name must be 1 to 64 characters"),
        ("name: /etc/x", "1:7: a sweep's name must be"),
        ("name: " + "a" * 300, "1:7: a sweep's name must be"),
        ("name: grіd", "1:7: a sweep's name must be"),  # a Cyrillic і
        (
            "nmae: x",
            "1:1: nmae is not a known key: did you mean 'name'? The known ones are version, name, base, space, "
            "cases, exclude, seeds, statistic, search, scheduler, resources",
        ),
        ("name: x\nbase: {architecture: {latnts: [2]}}", "2:23: architecture.latnts is not a known key: did you mean"),
        ("name: x\nspace: {architecture: {latnts: [2]}}", "2:24: latnts is not a known key: did you mean 'latents'?"),
        ("name: x\nversion: 2", "2:10: version must be 1, but got 2"),
        ("name: x\nversion: true", "2:10: version must be 1, but got true"),
        ("name: x\nsearch: 5", "2:9: search must be a mapping such as {algorithm: random, num_samples: 40}, but got 5"),
        (
            "name: x\nsearch: {algorithm: rndom}",
            f"2:21: search.algorithm must be one of grid, random, tpe{OWN}, but got 'rndom'",
        ),
        ("name: x\nsearch: {num: 5}", "2:10: num is not a known key: the known ones are algorithm, num_samples, seed"),
        ("name: x\nsearch:\n  algorithm: random", "3:3: search.num_samples is required for algorithm random"),
        (
            "name: x\nsearch: {num_samples: 4}",
            "2:23: search.num_samples must be left out for algorithm grid, but got 4",
        ),
        ("name: x\nsearch: {num_samples: 0}", "2:23: search.num_samples must be an integer from 1 to 10**9, but got 0"),
        ("name: x\nsearch: {seed: 1.0}", "2:16: search.seed must be an integer from 0 to 2**63 - 1, but got 1.0"),
        ("name: x\nstatistic: {metric: val_elb}", "2:21: statistic.metric must be one of train_objective, val_elbo"),
        (
            "name: x\nstatistic: {metric: val_elbo}",
            "2:21: statistic.metric must be measured in every cell, but val_elbo",
        ),
        ("name: x\nstatistic: {last: 0}", "2:19: statistic.last must be an integer from 1 to 1000000, but got 0"),
        (
            "name: x\nstatistic: {last: 9223372036854775808}",
            "2:19: statistic.last must be an integer from 1 to 1000000",
        ),
        ("name: x\nstatistic: {mode: maximum}", "2:19: statistic.mode must be one of max, min, but got 'maximum'"),
        ("name: x\nresources: {gpu: 1.5}", "2:18: resources.gpu must be auto, a share from 0 to 1 or a whole number"),
        (
            "name: x\nscheduler: {algorithm: hyperband}",
            f"2:24: scheduler.algorithm must be one of asha, median{OWN}, but got",
        ),
        ("name: x\nscheduler: {reduction: 1}", "2:24: scheduler.reduction must be an integer from 2 up, but got 1"),
        ("name: x\nscheduler: asha", "2:12: scheduler must be a mapping such as {algorithm: asha, grace_epochs: 10}"),
        ("name: x\nresources: {gpu: 1" + "0" * 400 + "}", "2:18: resources.gpu must be auto, a share from 0 to 1 or a"),
        ("name: x\nresources: {gpu: true}", "2:18: resources.gpu must be auto"),
        ("name: x\nresources: {gpu: .nan}", "2:18: resources.gpu must be auto"),
        ("name: x\nresources: {gpu: -1}", "2:18: resources.gpu must be auto"),
        ("name: x\nresources: {pack: 0}", "2:19: resources.pack must be auto or a positive integer, but got 0"),
        ("name: x\nresources: {alone: 1}", "2:20: resources.alone must be true or false, but got 1"),
        (
            "name: x\nresources: {alone: true, pack: 2}",
            "2:20: resources.alone must go with resources.pack 1 or auto, but got resources.pack 2: remove",
        ),
        ("name: x\nresources: {cpu: 0}", "2:18: resources.cpu must be a positive number of cores, but got 0"),
        ("name: x\nresources: {cpu: " + "9" * 900 + "}", "2:18: resources.cpu must be a positive number"),
        ("name: x\nresources: {checkpoint_seconds: -1}", "2:33: resources.checkpoint_seconds must be a number of"),
        (
            "name: x\nseeds: 0",
            "2:8: seeds must be a number of seeds from 1 to 10**9 or a list of distinct seeds, but got 0",
        ),
        ("name: x\nseeds: true", "2:8: seeds must be a number of seeds"),
        ("name: x\nseeds: []", "2:8: seeds must be a number of seeds"),
        ("name: x\nseeds: [1, 2, 1]", "2:15: seeds must be a number of seeds from 1 to 10**9 or a list of distinct"),
        ("name: x\nseeds: [0, -1]", "2:12: seed must be an integer from 0 to 2**63 - 1, but got -1"),
        ("name: x\nseeds: [0, 1.0]", "2:12: seed must be an integer from 0 to 2**63 - 1, but got 1.0"),
    ],
)
def test_top_level(text, expected):
    check(text, expected)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("{}", "5:12: a scheduler that chooses must compare cells by one bound of the same held-out images, but "),
        (
            "{validation_images: 9}",
            "statistic.metric is test_objective: set it to val_iwae, say, and validation_images",
        ),
        ("{validation_images: 9}\nstatistic: {metric: val_objective}", "but val_objective is one of 2 bounds here"),
        ("{validation_images: 9}\nstatistic: {metric: val_iwae}", "but eval_k has 2 values here: set eval_k in base"),
        ("{eval_k: 5}\nstatistic: {metric: val_iwae}", "val_iwae is not where validation_images is 0"),
    ],
)
def test_what_stops_cells_must_be_able_to_compare_them_and_not_on_the_test_set(base: str, expected: str):
    space = "space: {K: {grid_search: [1, 5]}, objective: {grid_search: [iwae, tmc]}}"
    assert expected in refusal(f"name: x\nbase: {base}\n{space}\n\nscheduler: {{last: 3}}")
    fine = "{validation_images: 9, eval_k: 5}\nstatistic: {metric: val_iwae}"
    assert parse(f"name: x\nbase: {fine}\n{space}\nscheduler: {{last: 3}}", "x.yaml").scheduler


@pytest.mark.parametrize(
    ("epochs", "scheduler", "expected"),
    [
        (10, "{last: 3}", "7:12: scheduler.grace_epochs must be below epochs, or no cell is ever stopped, but got 10"),
        (3, "{grace_epochs: 3}", "7:27: scheduler.grace_epochs must be below epochs"),
        (3, "{algorithm: median, grace_epochs: 9}", "and epochs 3: set it to at most 2, or remove scheduler"),
        (1, "{grace_epochs: 1}", "and epochs 1: raise epochs, or remove scheduler"),
    ],
)
def test_a_scheduler_that_would_stop_nothing(tmp_path, epochs: int, scheduler: str, expected: str):
    """A stored search space is read all the same: it may have been run before this was a rule."""
    file = tmp_path / "x.yaml"
    base = f"{{eval_k: 5, validation_images: 9, epochs: {epochs}}}"
    text = f"name: x\nbase: {base}\nspace: {{K: {{grid_search: [1, 5]}}}}\nseeds: 1\nstatistic: {{metric: val_iwae}}\n"
    file.write_text(f"{text}\nscheduler: {scheduler}")
    with pytest.raises(SpaceError) as caught:
        load(file)
    assert expected in str(caught.value)
    assert parse_stored(file.read_text(), "x.yaml").statistic.metric == "val_iwae"
    file.write_text(text.replace(f"epochs: {epochs}", "epochs: 2") + "scheduler: {grace_epochs: 1}")
    assert load(file).scheduler


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("K: 0", "4: K must be an integer from 1 to 10000, but got 0"),
        ("K: 10001", "4: K must be an integer from 1 to 10000, but got 10001"),
        ("K: true", "4: K must be an integer from 1 to 10000, but got true"),
        ("K: '5'", "4: K must be an integer from 1 to 10000, but got '5'"),
        ("K: 5.0", "4: K must be an integer from 1 to 10000, but got 5.0"),
        ("K:", "2: K must be an integer from 1 to 10000, but got null"),
        ("lr: .nan", "5: lr must be a positive number up to 10, such as 1e-3, but got nan"),
        ("lr: 1e999", "5: lr must be a positive number up to 10, such as 1e-3, but got inf"),
        ("lr: 1_000", "5: lr must be a positive number up to 10, such as 1e-3, but got '1_000'"),
        ("weight_norm: 1", "14: weight_norm must be true or false, but got 1"),
        (
            "data: cifar",
            f"7: data must be one of digits, mnist, fashion_mnist, cifar10{OWN}, but got 'cifar': did you mean",
        ),
        (
            'data: "\\ud800"',
            f"7: data must be one of digits, mnist, fashion_mnist, cifar10{OWN}, but got '\\ud800'",
        ),
        ("lrr: 1", "1: lrr is not a known key: did you mean 'lr'? The known ones are data, train_images"),
        ('"a\\nb": 1', "1: a\\nb is not a known key: the known ones are data, train_images"),
        ("seed: 1", "1: seeds are their own axis, but got seed in"),
        ("architecture: smal", "15: architecture must be one of small, large, ablation, clustering, or widths such as"),
        (
            "architecture: {latents: [2, 0]}",
            "29: architecture.latents must be a list of 1 to 64 widths from 1 to 65536",
        ),
        ("architecture: {latents: [2], p_hidden: [3, 3]}", "40: p_hidden must list one width per latent, but lists 2"),
        (
            "K: [1, 5]",
            "4: K must be an integer from 1 to 10000, but got [1, 5]: to try each of them write {grid_search:",
        ),
        ("K: []", "4: K must be an integer from 1 to 10000, but got []"),
    ],
)
@pytest.mark.parametrize("section", ["base:\n", "space:\n", "cases:\n-"])
def test_a_constant(section, value, expected):
    """Also where it is one of a grid's, a condition's or an exclusion's values: all are read by one function."""
    column, message = expected.split(": ", 1)
    if value == "K:":  # where an empty value stands is ruamel.yaml's choice
        assert message in refusal(f"name: x\n{section} {value}")
    else:
        check(f"name: x\n{section} {value}", f"3:{int(column) + (1 if '-' not in section else 2)}: {message}")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{grid_search: []}", "2:26: K's grid_search must list its values, but got []: write one at least"),
        ("{grid_search: 5}", "2:26: K's grid_search must be a list such as [value, value], but got 5"),
        ("{grid_search: [1, 5, 1]}", "2:33: K's values must differ, but 1 equals the one at line 2, column 27: remove"),
        ("{grid_search: [1, 5, 0]}", "2:33: K must be an integer from 1 to 10000, but got 0"),
        ("{grid_search: [1, true]}", "2:30: K must be an integer from 1 to 10000, but got true"),
        ("{grid: [1]}", "2:13: grid is not a known key: the known ones are grid_search, choice, uniform"),
        ("{grid_serch: [1]}", "2:13: grid_serch is not a known key: did you mean 'grid_search'? The known ones are"),
        ("{grid_search: [1], choice: [2]}", "2:12: K must have one domain, but got grid_search and choice: choose"),
        ("{when: {lr: 1}}", "2:12: K must have one domain, but got none: choose one of grid_search"),
        ("{}", "2:12: K must have one domain, but got none"),
        ("{grid_search: [{grid_search: [1]}]}", "2:28: K must be an integer from 1 to 10000, but got a grid_search"),
        ("{randint: [1, 5]}", "2:12: K must be a constant or grid_search for algorithm grid, but is drawn from"),
        ("{grid_search: [1], when: {lr: 5e-3}}", "2:37: when must match a cell, but matches none: correct or remove"),
        ("{grid_search: [1], when: {}}", "2:37: when must name a field and its value, but got {}"),
        ("{grid_search: [1], when: {lr: []}}", "2:42: lr must have a value or several, but got []: write one"),
        ("{grid_search: [1], when: {lr: [1, x]}}", "2:46: lr must be a positive number up to 10"),
        ("{grid_search: [1], when: {seed: 1}}", "2:38: seeds are their own axis, but got seed in when"),
        ("{grid_search: [1], when: {epochs: 1}}", "2:38: epochs must be a constant of the sweep, but got it in when"),
        ("{grid_search: [1, 2], when: {K: 1}}", "2:12: when must not go round in a circle, but got K when K"),
    ],
)
def test_a_dimension(value, expected):
    check(f"name: x\nspace: {{K: {value}}}", expected)


@pytest.mark.parametrize(
    ("field", "domain", "expected"),
    [
        ("K", "{uniform: [1, 2]}", "3:16: K must be an integer from 1 to 10000, but uniform draws other numbers: use"),
        (
            "K",
            "{quniform: [1, 2, 0.5]}",
            "3:17: K must be an integer from 1 to 10000, but quniform draws other numbers",
        ),
        ("K", "{randint: [1, 20000]}", "3:20: K must be an integer from 1 to 10000, but got 19999"),
        ("K", "{randint: [1, 2.5]}", "3:20: K's randint must have integers up to 2**53, but got 2.5"),
        ("K", "{lograndint: [0, 5]}", "3:20: K's lograndint must be above 0, but got 0: raise low"),
        ("lr", "{loguniform: [-1, 1]}", "3:21: lr's loguniform must be above 0, but got -1: raise low"),
        ("lr", "{uniform: [1, 1]}", "3:21: lr's uniform must go up, but got [1, 1]: make low less than high"),
        ("lr", "{uniform: [0.1, 11]}", "3:23: lr must be a positive number up to 10, such as 1e-3, but got 11"),
        ("lr", "{uniform: [1]}", "3:17: lr's uniform must be [low, high], but got [1]: write 2 numbers"),
        ("lr", "{uniform: [0.1, .inf]}", "3:23: lr's uniform must have numbers up to 2**53, but got inf"),
        ("lr", "{uniform: [true, 2]}", "3:18: lr's uniform must have numbers up to 2**53, but got true"),
        ("lr", "{uniform: 1}", "3:17: lr's uniform must be a list such as [low, high], but got 1"),
        ("lr", "{quniform: [0.1, 1]}", "3:18: lr's quniform must be [low, high, q], but got [0.1, 1]: write 3 numbers"),
        ("lr", "{quniform: [0.1, 1, 0]}", "3:27: lr's quniform must have 1 to 10**9 steps, but got q 0: change it"),
        ("lr", "{quniform: [0.1, 1, 1e-320]}", "3:27: lr's quniform must have 1 to 10**9 steps"),
        (
            "lr",
            "{quniform: [0.1, 1, 0.3]}",
            "3:27: lr's quniform must go from a multiple of q to another, but got q 0.3",
        ),
        ("train_images", "{randint: [1, 1" + "0" * 900 + "]}", "3:31: train_images's randint must have integers up to"),
        (
            "data",
            "{uniform: [0, 1]}",
            f"3:20: data must be one of digits, mnist, fashion_mnist, cifar10{OWN}, but got 0",
        ),
        ("lr", "{choice: [1, 1.0]}", "3:20: lr's values must differ, but 1.0 equals the one at line 3, column 17"),
    ],
)
def test_a_distribution(field, domain, expected):
    check(f"name: x\nspace:\n  {field}: {domain}{RANDOM}", expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cases: {K: 1}", "2:8: cases must be a list such as [{K: 1, lr: 1e-3}], but got {K: 1}: write it so"),
        ("cases: [5]", "2:9: cases must be a mapping such as {data: mnist, K: 20}, but got 5"),
        ("cases: [{epochs: 5}]", "2:10: epochs must be a constant of the sweep, but got it in cases: move it to base"),
        ("space: {epochs: 5}", "2:9: epochs must be a constant of the sweep, but got it in space: move it to base"),
        ("cases: [{K: 5}]\nspace: {K: 3}", "2:13: a field must vary in one place, but K is in cases and in space"),
        (
            "cases:\n- {K: 5}\n- {K: 5, lr: 1e-3}",
            "4:3: cases must differ, but this one and that of line 3 make the same trial (K=5, lr=0.001): remove one",
        ),
        ("cases: [{architecture: small}, {}]", "2:32: cases must differ, but this one and that of line 2"),
        ("exclude: {K: 20}", "2:10: exclude must be a list such as [{objective: elbo, K: 1}], but got {K: 20}"),
        ("exclude: [{K: 3}]", "2:11: exclude must match a cell, but matches none: correct or remove it"),
        ("exclude: [{K: 20}]", "2:11: exclude must leave a cell, but leaves none: remove an entry"),
        ("exclude: [{}]", "2:11: exclude must name a field and its value, but got {}: write one, or remove it"),
        ("exclude: [{seed: 1}]", "2:12: seeds are their own axis, but got seed in exclude"),
        (
            "space:\n  K: {grid_search: [1, 2], when: {lr: 1}}\n  lr: {grid_search: [1, 2], when: {eval_k: 2}}",
            "3:6: when must not go round in a circle, but got K when lr when K: remove one of them",
        ),
    ],
)
def test_cases_exclusions_and_circles(text, expected):
    check(f"name: x\n{text}", expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("base: {train_images: 5, validation_images: 5}", "2:44: validation_images must be at most 4 here"),
        (
            "base: {train_images: 5}\nspace: {validation_images: {grid_search: [4, 5]}}",
            "3:46: validation_images must be",
        ),
        ("space: {train_images: {grid_search: [100, 50000]}}", "2:43: train_images must be at most 1437 here"),
        (
            "base: {test_images: 500}\nspace: {data: {grid_search: [mnist, digits]}}",
            "2:21: test_images must be at most",
        ),
        ("cases: [{data: mnist, train_images: 60001}]", "2:37: train_images must be at most 60000 here (data: mnist)"),
    ],
)
def test_fields_that_do_not_go_together(text, expected):
    check(f"name: x\n{text}", expected)


@pytest.mark.parametrize(
    "text",
    [
        "seeds: 1000000000",
        "search: {algorithm: random, num_samples: 1000000000}",
        "space:\n"
        + "".join(
            f"  {field}: {{grid_search: [{', '.join(map(str, range(1, 32)))}]}}\n"
            for field in ("K", "eval_k", "batch_size", "train_images", "test_images", "validation_images")
        )
        + "seeds: 2",
    ],
)
def test_size_is_computed_before_anything_is_multiplied_out(text):
    start = time.process_time()
    message = refusal(f"name: x\n{text}")
    assert time.process_time() - start < 10  # seconds; multiplied out they take minutes
    assert "trials, more than the limit of 100000: shrink it or raise --max-trials" in message
    assert int(message.split(" would be ")[1].split()[0]) >= 10**9
