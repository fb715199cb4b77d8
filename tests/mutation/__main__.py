"""`python -m tests.mutation [COUNT [SEED [FILE ...]]]`: tests a random sample of mutants, 300 by default.

The tests are collected once. Each mutant meets those of the files that name its module, and those whose id has one of
its methods, in a fork of this process. Prints the survivors and the score: the share of mutants that a test
noticed. Without files: `methods/` and `bench/stats/`.
"""

from __future__ import annotations

import ast
import importlib
import os
import random
import re
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from tests.mutation import mutants
from tests.mutation.mutants import Mutant
from tests.mutation.transplant import transplant

ROOT = Path(__file__).parents[2]
LIMIT = 60  # seconds of processor time after which a mutant counts as noticed: it hangs
COUNT = 300
OF_ALL = (
    "test_method_contract.py",
    "test_method_registry.py",
)  # name methods, but test all: those of a method are found by their ids
SAMPLE = ["ce", "dimp"]  # methods that stand for all, for a module of `methods/` that has none of its own
PLUGINS = ("cacheprovider", "xdist", "timeout")  # of pytest, which a fork does not need


class Campaign:
    """A plugin of pytest: in place of running the tests that were collected, runs those of each mutant."""

    def __init__(self, sample: Sequence[tuple[Path, int]], total: int) -> None:
        self.sample, self.total = sample, total
        self.killed = 0
        self.survivors: list[str] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Test the sample, and print what survives."""
        capture = session.config.pluginmanager.getplugin("capturemanager")
        for path in {path for path, _ in self.sample}:  # of a module for which this fails no mutant is tested at all
            transplant(importlib.import_module(module_of(path)), ast.unparse(ast.parse(path.read_text("utf-8"))))
        with capture.global_and_fixture_disabled():
            for number, (path, which) in enumerate(self.sample, 1):
                mutant = mutants.mutant(path.read_text(encoding="utf-8"), which)
                if noticed(session, path, mutant):
                    self.killed += 1
                else:
                    self.survivors.append(f"{path.relative_to(ROOT)}:{mutant.line}: {mutant.words}")
                    print(f"survived: {self.survivors[-1]}", flush=True)
                if number % 25 == 0 or number == len(self.sample):
                    share = f"{self.killed} noticed ({100 * self.killed / number:.0f} %)"
                    print(f"{number} of {self.total:,} mutants, {share}", flush=True)
        return True


def noticed(session: pytest.Session, path: Path, mutant: Mutant) -> bool:
    """Whether a test of a module fails with a mutant, or the tests take more than `LIMIT` seconds."""
    if (pid := os.fork()) == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1), os.dup2(null, 2)
            session.config.pluginmanager.unregister(name="terminalreporter")  # it has a copy of the output
            transplant(importlib.import_module(module_of(path)), mutant.source)
            code = int(any_fails(session, tests_of(path, session.items)))
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0


def module_of(path: Path) -> str:
    """The name of a module by its file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def any_fails(session: pytest.Session, items: Sequence[pytest.Item]) -> bool:
    """Whether one of these tests fails; the tests after it are not run."""
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return True
    return False


def tests_of(path: Path, items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests of a module: those whose id has a method of it, and those of files that name it or a method of it.

    A module without a method has those whose id has one of two methods. Of a module that no file names, all beside it.
    """
    methods = re.findall(r'^@register\("([^"]+)"', path.read_text(encoding="utf-8"), re.M)
    word = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in [path.stem, *methods]))
    shown = methods or (SAMPLE if path.parent.name == "methods" else [])
    variant = re.compile("|".join(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z_])" for name in shown) or r"\Z\A.")
    beside = [item for item in items if ("bench" in item.path.parts) == ("bench" in path.relative_to(ROOT).parts)]
    texts = {item.path: item.path.read_text(encoding="utf-8") for item in beside}
    named = [item for item in beside if item.path.name not in OF_ALL and word.search(texts[item.path])]
    own = [item for item in beside if variant.search(item.nodeid)]
    return [*own, *(item for item in named if item not in own)] or beside


def files() -> list[Path]:
    """The modules whose mutants are tested by default."""
    return [*(ROOT / "methods").glob("*.py"), *(ROOT / "bench/stats").rglob("*.py")]


def main(count: int = COUNT, seed: int = 0, *names: str) -> int:
    """Test a sample of mutants. Returns the exit code: 1 if no mutant was noticed, which means that no test ran."""
    torch.set_num_threads(1)
    paths = sorted([ROOT / name for name in names] or files())
    everything = [(path, k) for path in paths for k in range(mutants.count(path.read_text(encoding="utf-8")))]
    campaign = Campaign(random.Random(seed).sample(everything, min(count, len(everything))), len(everything))
    folders = {"methods" if path.parent.name == "methods" else "bench/stats" for path in paths}
    tests = [str(ROOT / "tests" / folder) for folder in sorted(folders)]
    options = [word for name in PLUGINS for word in ("-p", f"no:{name}")]
    pytest.main(["-q", "-o", "addopts=", *options, *tests], plugins=[campaign])
    return int(campaign.killed == 0)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:3]]
    sys.exit(main(*numbers, *sys.argv[3:]))
