"""The registry, and the declarations of every method."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import get_type_hints

import pytest

from bench.leaderboard.method_facts import facts
from bench.planning.requirements import REQUIREMENTS
from methods import METHODS, discover, group, group_names, register
from methods.base import (
    DIVERSITY,
    DIVERSITY_OOF,
    DIVERSITY_REAL,
    DYNAMICS,
    EMBEDDINGS,
    QUALITY,
    REAL_EMBEDDINGS,
    REAL_TOKENS,
    TOKENS,
    Method,
    MethodConfig,
    RealUse,
    column,
    hyperparameters,
)
from methods.declarations import OF_REAL_ROWS, TABLES, fault
from methods.hooks import Budget

CORE = ["ce", "ce-mix", "ce-prior", "dimp", "focal", "imp", "quality-only", "real-only", "superloss"]
ROOT = Path(__file__).resolve().parents[2]

# name: how real rows are used, pairing, tables, all at the defaults
DECLARED = {
    "ce": (RealUse.NONE, "full", ()),
    "ce-mix": (RealUse.TRAIN, "partial", ()),
    "ce-prior": (RealUse.PRIOR, "full", ()),
    "dimp": (RealUse.CHECKER, "full", (QUALITY,)),
    "focal": (RealUse.NONE, "full", ()),
    "imp": (RealUse.CHECKER, "full", (QUALITY, DIVERSITY)),
    "quality-only": (RealUse.CHECKER, "full", (QUALITY,)),
    "real-only": (RealUse.TRAIN, "partial", ()),
    "superloss": (RealUse.NONE, "full", ()),
    "bootstrap": (RealUse.NONE, "full", ()),
    "alpha-mix": (RealUse.TRAIN, "partial", ()),
    "aum": (RealUse.NONE, "full", (DYNAMICS,)),
    "cartography": (RealUse.NONE, "full", (DYNAMICS,)),
    "density-ratio": (RealUse.CLASSES, "full", (EMBEDDINGS, REAL_EMBEDDINGS)),
    "dsir": (RealUse.CLASSES, "full", (TOKENS, REAL_TOKENS)),
    "kmm": (RealUse.CLASSES, "full", (EMBEDDINGS, REAL_EMBEDDINGS)),
    "confident": (RealUse.CHECKER, "full", (QUALITY,)),
    "confident-learning": (RealUse.NONE, "full", (DIVERSITY_OOF,)),
    "gce": (RealUse.NONE, "full", ()),
    "jtt": (RealUse.NONE, "full", (DIVERSITY,)),
    "label-smoothing": (RealUse.NONE, "full", ()),
    "rho": (RealUse.CHECKER, "full", (QUALITY,)),
    "sce": (RealUse.NONE, "full", ()),
    "self-paced": (RealUse.NONE, "full", ()),
    "co-teaching": (RealUse.NONE, "full", ()),
    "fusegen": (RealUse.NONE, "full", ()),
    "hu": (RealUse.GRADIENT, "full", ()),
    "infobatch": (RealUse.NONE, "partial", ()),
    "l2rw": (RealUse.GRADIENT, "full", ()),
    "meta-weight-net": (RealUse.GRADIENT, "full", ()),
    "real-finetune": (RealUse.TRAIN, "partial", ()),
    "sungen": (RealUse.NONE, "full", ()),
    "supergen-filter": (RealUse.NONE, "partial", ()),
    "elr": (RealUse.NONE, "full", ()),
    "distill": (RealUse.CHECKER, "full", (QUALITY,)),
    "kl-dro": (RealUse.NONE, "full", ()),
    "el2n": (RealUse.NONE, "full", (DYNAMICS,)),
    "forgetting": (RealUse.NONE, "full", (DYNAMICS,)),
    "k-center": (RealUse.NONE, "full", (EMBEDDINGS,)),
    "coverage": (RealUse.NONE, "full", (EMBEDDINGS,)),
    "semdedup": (RealUse.NONE, "full", (EMBEDDINGS,)),
    "glc": (RealUse.TRAIN, "partial", (DIVERSITY_REAL,)),
    "gated-finetune": (RealUse.TRAIN, "partial", (DIVERSITY_REAL,)),
    "influence": (RealUse.GRADIENT, "full", ()),
    "selfmix": (RealUse.NONE, "full", ()),
    "score": (RealUse.NONE, "full", (column("score"),)),
    "group-dro": (RealUse.NONE, "full", (column("group"),)),
}

# What does not cost one cross-entropy cell: CE cells in preset `quick` with 300 real rows, from the formulas by hand.
# In preset quick: 48 updates of 31.25 of 1000 rows, 1500 in all; 300 real rows.
COSTS = {
    "co-teaching": 2,
    "fusegen": 1 + 2 * (1 + 1000 / 3 / 1500),
    "influence": 1 + 0.25 + (300 + 1000 * 2 / 3) / 1500,
    "selfmix": 1 + (0.5 + 2 * 1000 / 1500) / 3,
    "hu": 1 + 37 / 48 * (1 + 4 * 32 / 31.25),
    "l2rw": 1 + 2 / 3 + 32 / 31.25,
    "meta-weight-net": 1 + 1 + 2 / 3 + 32 / 31.25,
    "sungen": 1 + 5 * (0.5 + (256 + 1000 * 2 / 3) / 1500),
    "supergen-filter": 1 + 10 * 1000 / 1500 / 3,
}

OUT_OF_RANGE = [
    *(("gce", "q", value) for value in (-0.1, 1.1)),
    *(("gce", "truncate", value) for value in (0.0, 1.0)),
    *(("gce", "start", value) for value in (-0.1, 1.1)),
    *(("sce", name, value) for name in ("alpha", "beta") for value in (-0.1, float("inf"))),
    *(("sce", "floor", value) for value in (0.0, 1.0)),
    *(("bootstrap", name, value) for name in ("beta", "warmup") for value in (-0.1, 1.1)),
    *(("label-smoothing", "epsilon", value) for value in (-0.1, 1.0)),
    *(("self-paced", name, value) for name in ("first", "grow") for value in (0.0, 1.1)),
    *(("self-paced", "lam", value) for value in (0.0, float("inf"))),
    *(("self-paced", "factor", value) for value in (0.9, float("inf"))),
    *(("rho", "share", value) for value in (0.0, 1.1)),
    *(("rho", "pool", value) for value in (0, 101)),
    *(("jtt", "extra", value) for value in (-1.0, float("inf"))),
    *((name, "real_rows", 0) for name in ("l2rw", "meta-weight-net", "hu")),
    *(("meta-weight-net", name, 0.0) for name in ("meta_lr", "inner_lr")),
    *(("hu", name, value) for name, value in (("w_init", -1.0), ("w_decay", 0.5), ("group", 0), ("pretrain", 1.1))),
    *(("co-teaching", name, value) for name, value in (("rate", 1.0), ("rate", -0.1), ("ramp", 0.0))),
    *(("infobatch", name, value) for name, value in (("r", 1.0), ("r", -0.1), ("until", 1.1))),
    *(("real-finetune", "part", value) for value in (0.0, 1.0)),
    *(("gated-finetune", "z", value) for value in (-0.1, 10.1)),
    *(("supergen-filter", name, 1.0) for name in ("smoothing", "momentum", "threshold")),
    *(("supergen-filter", name, -1) for name in ("weight", "refreshes")),
    *(("sungen", name, value) for name, value in (("rounds", -1), ("length", 0.0), ("trusted", 1.1))),
    *(("sungen", name, 0) for name in ("outer_lr", "inner_lr", "outer_rows")),
    *(("cartography", "share", value) for value in (0.0, 1.1)),
    *(("aum", "drop", value) for value in (-0.1, 1.0)),
    ("fusegen", "rounds", -1),
    *(("density-ratio", "power", value) for value in (-0.1, 11.0)),
    *(("density-ratio", "clip", value) for value in (0.0, 0.9, float("inf"))),
    *(("kmm", "bound", value) for value in (0.5, float("inf"))),
    *(("dsir", "share", value) for value in (0.0, 1.1)),
    *(("dsir", "smoothing", value) for value in (-1.0, float("inf"))),
    *(("elr", "strength", value) for value in (-0.1, float("inf"))),
    *(("elr", "momentum", value) for value in (-0.1, 1.0)),
    *(("distill", "alpha", value) for value in (-0.1, 1.1)),
    *(("distill", "temperature", value) for value in (0.0, 1000.0)),
    *(("kl-dro", "r", value) for value in (0.0, float("inf"))),
    *(("kl-dro", "warmup", value) for value in (-0.1, 1.1)),
    *(
        (name, "share", value)
        for name in ("el2n", "forgetting", "k-center", "coverage", "semdedup")
        for value in (0.0, 1.1)
    ),
    *(("el2n", "early", value) for value in (0.0, 1.1)),
    *(("influence", name, value) for name in ("share", "warmup") for value in (0.0, 1.1)),
    *(("selfmix", name, value) for name in ("warmup", "threshold") for value in (-0.1, 1.1)),
    *(("selfmix", name, value) for name, value in (("temperature", 0.0), ("refreshes", -1))),
    *(("score", "share", value) for value in (0.0, 1.1)),
    *(("score", "temperature", value) for value in (0.0, float("inf"))),
    *(("score", "threshold", value) for value in (float("inf"), float("-inf"))),
    *(("group-dro", "step_size", value) for value in (-0.1, float("inf"))),
    *(("coverage", "target", value) for value in (0.0, 1.1)),
    *(("semdedup", "eps", value) for value in (-0.1, 1.0)),
    ("focal", "gamma", -0.1),
    ("focal", "gamma", float("inf")),
    ("superloss", "lam", 0.0),
    ("superloss", "lam", -1.0),
    ("superloss", "lam", float("inf")),
    ("superloss", "decay", 1.0),
    ("superloss", "decay", -0.1),
    *((name, "gamma", value) for name in ("imp", "dimp", "quality-only") for value in (-1.0, float("inf"))),
    *((name, "clip", value) for name in ("imp", "dimp", "quality-only") for value in (0.0, -2.0, float("inf"))),
]


def test_core_is_exactly_the_nine():
    """The group that confirmatory verdicts are about."""
    assert sorted(group("core")) == sorted(CORE)


def test_groups_hold_what_they_say():
    """References are baselines, `paper` is what the paper trains; `all` is everything."""
    assert list(group("references")) == ["ce", "ce-mix", "ce-prior", "real-only"]
    assert list(group("paper")) == ["ce", "dimp", "focal", "hu", "imp", "quality-only", "sungen"]
    assert list(group("all")) == sorted(discover())
    assert group_names()[0] == "all"
    assert {"core", "paper", "references"} <= set(group_names())


def test_unknown_names_are_absent():
    """No entry and no group for a name that nobody registered."""
    assert "no-such-method" not in discover()
    assert group("no-such-group") == {}


def test_discovery_can_be_repeated():
    """A second call finds the same classes, in order of their names."""
    first, second = discover(), discover()
    assert first == second
    assert list(first) == sorted(METHODS)


def test_a_name_is_taken_once():
    """The error names both places, and the first entry stays."""
    known = METHODS["ce"]

    class Rival(known):
        """Wants the same name."""

    with pytest.raises(ValueError, match=rf"'ce' is registered twice: methods\.ce and {__name__}"):
        register("ce")(Rival)
    assert METHODS["ce"] is known
    assert known.name == "ce"


def test_listing_needs_no_heavy_package():
    """Names, groups, settings and ranges are read without torch and the like."""
    code = (
        "import sys\n"
        "heavy = 'torch', 'transformers', 'datasets', 'wandb', 'pandas', 'scipy', 'numpy'\n"
        "sys.modules.update(dict.fromkeys(heavy))\n"
        "from methods import discover, group_names\n"
        "from methods.base import hyperparameters\n"
        "print(len([hyperparameters(cls().config) for cls in discover().values()]), group_names())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) == len(discover())


def test_names_are_kebab_case(name):
    """What is typed after --methods, and the class knows its own name."""
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name)
    assert discover()[name].name == name


def test_source_is_documented(name):
    """The file names its source and a year, and its cost; the class says what it is."""
    cls = discover()[name]
    text = inspect.getdoc(sys.modules[cls.__module__]) or ""
    assert re.search(r"^Source: .", text, re.MULTILINE)
    assert re.search(r"\b(19|20)\d\d\b", text)
    assert re.search(r"^Cost: .", text, re.MULTILINE)
    assert "__doc__" in vars(cls)
    assert vars(cls)["__doc__"]


def test_says_when_it_fails(name):
    """In one to three sentences: by its formula, and what our results show or that there are none."""
    fails = facts(name).fails
    assert fails.startswith("By its formula, ")
    assert re.search(r"\bour results\b|One run of ours|No report of ours has it", fails)
    assert len(fails) < 400


def test_declarations_are_valid(name):
    """Tables, uses, pairing and costs come from the contract's vocabulary."""
    cls = discover()[name]
    assert issubclass(cls, Method)
    assert fault(cls) == ""
    assert cls.requires_of(cls.Config()) == cls.requires


def test_the_tables_that_a_method_may_require_are_those_that_can_be_made():
    """The vocabulary by which plugins are checked, which cannot ask the planner."""
    assert set(TABLES) == set(REQUIREMENTS)
    assert set(OF_REAL_ROWS) == {QUALITY, *(name for name, entry in REQUIREMENTS.items() if entry.role == "real")}


@pytest.mark.parametrize("entry", sorted(DECLARED))
def test_declarations(entry):
    """Use of real rows, pairing, tables, cost."""
    cls = discover()[entry]
    config = cls.Config()
    assert (cls.real_use_of(config), cls.pairing_of(config), cls.requires) == DECLARED[entry]
    assert cls.declared_cost(config, Budget()) == pytest.approx(COSTS.get(entry, 1))
    assert cls.networks == (2 if entry == "co-teaching" else 1)


@pytest.mark.parametrize(
    ("entry", "config", "cost"),
    [
        ("dimp", {"eval_denominator": True}, 4 / 3),  # each row passes forward once more
        ("rho", {"pool": 4, "share": 0.3}, (125 / 3 + 38) / 31.25),  # 0.3 of 125 rows, rounded up
        ("rho", {"pool": 4, "share": 0.56}, (125 / 3 + 70) / 31.25),  # 70, and not one more
    ],
)
def test_costs_of_other_settings(entry, config, cost):
    cls = discover()[entry]
    assert cls.declared_cost(cls.Config(**config), Budget()) == pytest.approx(cost, rel=1e-9)


def test_config_is_frozen_and_documented(name, own):
    """Every setting has a note or a range, and the settings that all share come first, in one order."""
    config = discover()[name].Config()
    with pytest.raises(FrozenInstanceError):
        config.train_on = "both"
    for entry in fields(config):
        assert entry.metadata["note"] or entry.metadata["search"], entry.name
    shared = [entry.name for entry in fields(config) if entry not in own(type(config))]
    shared.remove("average")  # left out of what is stored unless it is set
    assert list(hyperparameters(config))[: len(shared)] == shared
    assert shared[:2] == ["train_on", "real_share"]


def test_search_ranges_are_valid_settings(name, own):
    """A range is ascending and positive where it is logarithmic; both ends, or every choice, can be configured."""
    config = discover()[name].Config
    for entry in own(config):
        search = entry.metadata["search"]
        if search is None:
            continue
        for value in search:
            assert getattr(config(**{entry.name: value}), entry.name) == value
        if not isinstance(search[0], (str, bool)):
            low, high = search
            assert low < high
            assert low > 0 or not entry.metadata["log"]


def test_not_a_number_is_refused(name, own):
    """No numeric setting lets NaN into a training run."""
    config = discover()[name].Config
    for entry in own(config):
        if get_type_hints(config)[entry.name] in (float, float | None):
            with pytest.raises(ValueError, match=entry.name):
                config(**{entry.name: float("nan")})


@pytest.mark.parametrize(("entry", "setting", "value"), OUT_OF_RANGE)
def test_out_of_range_names_setting_and_value(entry, setting, value):
    """The message says which setting, its bound and what was given."""
    with pytest.raises(ValueError, match=rf"{setting} must (lie in|be larger than) .*{re.escape(str(value))}"):
        discover()[entry].Config(**{setting: value})


@pytest.mark.parametrize(("entry", "rows"), [("ce", "generated"), ("real-only", "real"), ("ce-mix", "both")])
def test_references_differ_only_in_the_rows(entry, rows):
    """Same fields and notes as the base, another default for the rows; the default can be overridden."""
    config = discover()[entry].Config
    assert config().train_on == rows
    assert [(field.name, field.metadata) for field in fields(config)] == [
        (field.name, field.metadata) for field in fields(MethodConfig)
    ]
    assert config(train_on="generated").train_on == "generated"


def test_validation_of_the_base_holds_in_every_config(name):
    """A config that adds checks keeps those of the base."""
    with pytest.raises(ValueError, match="real_share"):
        discover()[name].Config(train_on="both", real_share=2.0)
