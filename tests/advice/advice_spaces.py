"""Search spaces that break a rule, and the same as the sentence says: with the fix in the place of the mistake.

`right` is what the sentence asks for; `{advised}` in it is the text that `advised` finds in the sentence.
"""

from typing import NamedTuple


class Space(NamedTuple):
    """One message of a search space, named by a stretch of it that no other has."""

    message: str
    wrong: str
    right: str
    advised: str = ""
    named: bool = True  # a name is put before it
    overrides: tuple[str, ...] = ()  # of the wrong one
    instead: tuple[str, ...] = ()  # of the right one


GRADIENTS = "base: {{objective: {}, K: 5, architecture: {}, gradient: {}}}"
DRAWN = "\nsearch: {algorithm: random, num_samples: 3}"
FAIR = "base: {validation_images: 9, eval_k: 5}\nspace: {K: {grid_search: [1, 5]}}\nstatistic: {metric: val_iwae}\n"
SEVERAL = "base: {validation_images: 9BASE}\nspace: {objective: {grid_search: [iwae, tmc]}, K: {grid_search: [1, 5]}}\n"
LONG = "x" * 1_001

SPACES = [
    Space(
        "space/domains.py:write whole numbers",
        "space: {K: {quniform: [1, 2, 0.5]}}" + DRAWN,
        "space: {K: {quniform: [1, 2, 1]}}" + DRAWN,
    ),
    Space("space/fields.py:write {}{}", "base: {K: {value: 5}}", "base: {K: {advised}}", r"write (\d+)$"),
    Space("space/fields.py:write one value", "seeds: [[1]]", "seeds: [1]"),
    Space("write num_samples under search", "run_cap: 5", "search: {algorithm: random, {advised}: 5}", r"write (\w+)"),
    Space("space/foreign.py:call it {}", "grid: {}", "{advised}: {}", r"call it (\w+)$"),
    Space("write what it has as", "hydra: {sweeper: {params: {K: 5}}}", "{advised}: {K: 5}", r"under (\w+)$"),
    Space("{} must be said in words of a search space: {}", "parameters: {}", "{advised}: {}", r"call it (\w+)$"),
    Space("remove it: a search space says what varies", "program: x.py", ""),
    Space("write search: {algorithm: {}{}}", "method: random", "{advised}", r"write (.*)$"),
    Space(
        "write search: {algorithm: random, num_samples: 40}, and",
        "random: {samples: 3}",
        "{advised}",
        r"write (.*), and what",
    ),
    Space(
        "space/fields.py:{} must be said in words of a search space, but got {}: {}",
        "space: {K: {values: [1, 5]}}",
        "space: {K: {advised}}",
        r"write (.*) under space$",
    ),
    Space("explain.py:: did you mean {}?", "base: {data: mnst}", "base: {data: {advised}}", r"did you mean '(\w+)'"),
    Space(
        "which stl is for elbo or K = 1 only",
        GRADIENTS.format("iwae", "small", "stl"),
        GRADIENTS.format("iwae", "small", "{advised}"),
        r"choose (\w+)$",
    ),
    Space(
        "dregs, which would be stl there",
        GRADIENTS.format("elbo", "small", "dregs"),
        GRADIENTS.format("elbo", "small", "{advised}"),
        r"choose (\w+)$",
    ),
    Space(
        "which dregs is for tmc with a factorised",
        GRADIENTS.format("tmc", "small", "dregs"),
        GRADIENTS.format("tmc", "small", "{advised}"),
        r"choose (\w+)$",
    ),
    Space(
        "must list one width per latent",
        "base: {architecture: {latents: [8, 4], q_hidden: [8]}}",
        "base: {architecture: {latents: [8, 4], q_hidden: [8, 8]}}",
    ),
    Space(
        " here (data: ", "base: {train_images: 1500}", "base: {train_images: {advised}}", r"must be at most (\d+) here"
    ),
    Space("is required, but is missing: add it", "seeds: 1", "name: x\nseeds: 1", named=False),
    Space("up to 2**53, but got", "space: {lr: {uniform: [x, 1]}}" + DRAWN, "space: {lr: {uniform: [0.1, 1]}}" + DRAWN),
    Space("must list its values, but got []", "space: {K: {grid_search: []}}", "space: {K: {grid_search: [1]}}"),
    Space(
        "space/domains.py:{}'s {} must be {}, but got {}: write {} numbers",
        "space: {lr: {uniform: [1]}}" + DRAWN,
        "space: {lr: {uniform: [0.1, 1]}}" + DRAWN,
    ),
    Space("must go up, but got", "space: {lr: {uniform: [1, 1]}}" + DRAWN, "space: {lr: {uniform: [0.1, 1]}}" + DRAWN),
    Space("raise low", "space: {lr: {loguniform: [0, 1]}}" + DRAWN, "space: {lr: {loguniform: [0.1, 1]}}" + DRAWN),
    Space(
        "draws other numbers",
        "space: {K: {uniform: [1, 5]}}" + DRAWN,
        "space: {K: {{advised}: [1, 5]}}" + DRAWN,
        r"use (\w+), ",
    ),
    Space(
        "must have 1 to 10**9 steps",
        "space: {lr: {quniform: [0.1, 1, 0]}}" + DRAWN,
        "space: {lr: {quniform: [0.1, 1, 0.1]}}" + DRAWN,
    ),
    Space(
        "must go from a multiple of q",
        "space: {lr: {quniform: [0.1, 1, 0.3]}}" + DRAWN,
        "space: {lr: {quniform: [0.1, 1, 0.1]}}" + DRAWN,
    ),
    Space(
        "must have one domain, but got",
        "space: {K: {grid_search: [1], choice: [2]}}",
        "space: {K: {{advised}: [1]}}",
        r"choose one of (\w+),",
    ),
    Space("'s values must differ", "space: {K: {grid_search: [1, 1]}}", "space: {K: {grid_search: [1]}}"),
    Space("seeds are their own axis", "base: {seed: 1}", "{advised}1]", r"write `(seeds: \[)\.\.\.\]` at the top"),
    Space("epochs must be a constant", "space: {epochs: 5}", "base: {epochs: 5}"),
    Space("is not a known key", "base: {lrr: 1e-3}", "base: {{advised}: 1e-3}", r"did you mean '(\w+)'"),
    Space(
        "space/fields.py:{} must be {}, but got {}: {}",
        "space: {K: [1, 5]}",
        "space: {K: {advised}}",
        r"write (\{.*\}) under space",
    ),
    Space("domains belong under space", "base: {K: {grid_search: [1]}}", "space: {K: {grid_search: [1]}}"),
    Space("must name a field and its value", "exclude: [{}]", ""),
    Space(
        "must have a value or several", "exclude: [{K: []}]", "space: {K: {grid_search: [1, 2]}}\nexclude: [{K: [1]}]"
    ),
    Space("write 3, or [0, 1, 2]", "seeds: 0", "seeds: {advised}", r"write (\d), or"),
    Space(
        "search.num_samples is required",
        "search: {algorithm: random}",
        "search: {algorithm: random, num_samples: {advised}}",
        r"such as (\d+)$",
    ),
    Space(
        "search.num_samples must be left out",
        "search: {num_samples: 4}",
        "search: {num_samples: 4, algorithm: {advised}}",
        r"algorithm: (\w+) or",
    ),
    Space(
        "must be a constant or grid_search",
        "space: {lr: {uniform: [0.1, 1]}}",
        "space: {lr: {uniform: [0.1, 1]}}\n{advised}",
        r"set (search: \{.*\})$",
    ),
    Space(
        "set it to val_iwae, say",
        "base: {eval_k: 5}\nspace: {K: {grid_search: [1, 5]}}\nscheduler: {}",
        FAIR.replace("val_iwae", "{advised}") + "scheduler: {}",
        r"set it to (\w+),",
    ),
    Space(
        "bounds here: choose val_iwae",
        SEVERAL.replace("BASE", ", eval_k: 5") + "scheduler: {}\nstatistic: {metric: val_objective}",
        SEVERAL.replace("BASE", ", eval_k: 5") + "scheduler: {}\nstatistic: {metric: {advised}}",
        r"choose (\w+), say",
    ),
    Space(
        "a search must have the epochs of its statistic",
        FAIR.replace("eval_k: 5", "eval_k: 5, epochs: 20") + "search: {algorithm: tpe, num_samples: 2}",
        FAIR.replace("eval_k: 5", "eval_k: 5, epochs: 20").replace("val_iwae", "val_iwae, last: 20")
        + "search: {algorithm: tpe, num_samples: 2}",
    ),
    Space(
        "scheduler.grace_epochs must be below epochs",
        FAIR.replace("eval_k: 5", "eval_k: 5, epochs: 20") + "scheduler: {grace_epochs: 20}",
        FAIR.replace("eval_k: 5", "eval_k: 5, epochs: 20") + "scheduler: {grace_epochs: {advised}}",
        r"set it to at most (\d+)",
    ),
    Space("is in cases and in space", "cases: [{K: 5}]\nspace: {K: 3}", "cases: [{K: 5}]"),
    Space(
        " values here: set ",
        SEVERAL.replace("BASE", "") + "scheduler: {}\nstatistic: {metric: val_iwae}",
        SEVERAL.replace("BASE", ", {advised}: 5") + "scheduler: {}\nstatistic: {metric: val_iwae}",
        r"set (\w+) in base",
    ),
    Space("resources.alone must go with", "resources: {alone: true, pack: 2}", "resources: {alone: true}"),
    Space(" twice: remove one of the two", "seeds: [1, 1]", "seeds: [1]"),
    Space("--set must be field=value", "", "", r"such as (\w+=\d+),", overrides=("epochs",), instead=("{advised}",)),
    Space("must have a value, but got null", "", "", overrides=("epochs=null",), instead=("epochs=10",)),
    Space("resources.gpu must be", "resources: {gpu: 1.5}", "resources: {gpu: {advised}}", r"must be (\w+), a share"),
    Space("resources.pack must be", "resources: {pack: 0}", "resources: {pack: {advised}}", r"must be (\w+) or"),
    Space(
        "when must not go round in a circle",
        "space: {K: {grid_search: [1, 2], when: {lr: 1}}, lr: {grid_search: [1, 2], when: {K: 1}}}",
        "space: {K: {grid_search: [1, 2], when: {lr: 1}}, lr: {grid_search: [1, 2]}}",
    ),
    Space("exclude must leave a cell", "exclude: [{K: 20}]", ""),
    Space(
        "statistic.metric must be measured",
        "statistic: {metric: val_elbo}",
        "base: {{advised}: 9}\nstatistic: {metric: val_elbo}",
        r"set (\w+), or",
    ),
    Space("cases must differ", "cases: [{K: 5}, {K: 5}]", "cases: [{K: 5}]"),
    Space("must match a cell, but matches none", "exclude: [{K: 3}]", ""),
    Space("a search space must be at most", "#" * 262_145, ""),
    Space("but the file is empty", "", "{advised}", r"write `(name: )\.\.\.`", named=False),
    Space("a file must hold one document", "---\nname: y", ""),
    Space("space/source.py:{}, but got {}: remove it", "base: \x1b", "base: {}"),
    Space("a line must not begin with %", "\n%YAML 1.2", ""),
    Space("a value must be at most", f"base: {{data: {LONG}}}", "base: {data: mnist}"),
    Space("a truth value must be", "base: {weight_norm: yes}", "base: {weight_norm: {advised}}", r"write (\w+) or"),
    Space("an integer must have no leading zeros", "base: {K: 010}", "base: {K: 10}"),
    Space("a number must not have colons", "base: {K: 1:30}", "base: {K: 90}"),
    Space("must be a mapping such as", "base: [5]", "base: {advised}", r"such as (\{.*\}), but"),
    Space(
        "must be a list such as",
        "exclude: 5",
        "space: {objective: {grid_search: [elbo, tmc]}, K: 1}\nexclude: {advised}",
        r"such as (\[.*\]), but",
    ),
    Space(": correct the text here", "base: {K: 5", "base: {K: 5}"),
    Space("but after this ", 'base: "\\UFFFFFFFF"', "base: {}"),
    Space("values must be written out", "base: {K: *a}", "base: {K: 5}"),
    Space("a key must be a word", "base: {[K]: 5}", "base: {K: 5}"),
    Space("keys must be written out", "base: {<<: {K: 5}}", "base: {K: 5}"),
    Space("a key must appear once", "base: {K: 5, K: 6}", "base: {K: 5}"),
    Space("keys and values, but here is one more", "seeds: [" + "1, " * 10_001 + "1]", "seeds: [1]"),
    Space(" deep, but here is one more level", "base: " + "[" * 30 + "]" * 30, "base: {}"),
    Space("values must have no anchors", "base: {K: &a 5}", "base: {K: 5}"),
]
