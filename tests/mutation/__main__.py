"""`python -m tests.mutation [COUNT [SEED [FILE ...]]]`: tests a random sample of mutants, 300 by default.

Each mutant meets the tests that name its module, in a fork of this process, which has imported torch and scipy. Prints
the survivors and the score: the share of mutants that a test noticed. Without files: `methods/` and `bench/stats/`.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import random
import re
import sys
import time
from pathlib import Path

import pytest
import scipy.stats  # noqa: F401 - imported before the forks, like torch
import torch

from tests.mutation.mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
LIMIT = 120  # seconds after which a mutant counts as noticed: it hangs
COUNT = 300


class OneSource(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a changed source."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        self.module, self.path, self.source = module, path, source

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        """The specification of the module with this loader; None for others."""
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.module else None

    def create_module(self, spec: object) -> None:
        """As usual."""

    def exec_module(self, module: object) -> None:
        """Run the changed source."""
        exec(compile(self.source, str(self.path), "exec"), vars(module))


def tests_of(path: Path) -> list[str]:
    """Arguments of pytest for the tests of a module: the files that name it, or a method that it registers."""
    folder = ROOT / "tests" / ("methods" if path.parent.name == "methods" else "bench/stats")
    names = [path.stem, *re.findall(r'@register\("([^"]+)"', path.read_text(encoding="utf-8"))]
    word = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in names))
    named = [file for file in sorted(folder.glob("test_*.py")) if word.search(file.read_text(encoding="utf-8"))]
    return [str(file.relative_to(ROOT)) for file in named] or [str(folder.relative_to(ROOT))]


def noticed(path: Path, mutant: Mutant) -> bool:
    """Whether a test of a module fails with a mutant, or does not end in time."""
    if (pid := os.fork()) == 0:
        code = 1
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1), os.dup2(null, 2)
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            sys.meta_path.insert(0, OneSource(module, path, mutant.source))
            code = int(pytest.main(["-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests_of(path)]))
        finally:
            os._exit(code)
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.02)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return True


def main(count: int = COUNT, seed: int = 0, *files: str) -> int:
    """Test a sample of mutants. Returns the exit code: 1 if no mutant was noticed, which means that no test ran."""
    torch.set_num_threads(1)
    paths = [ROOT / file for file in files] or [*(ROOT / "methods").glob("*.py"), *(ROOT / "bench/stats").glob("*.py")]
    everything = [(path, mutant) for path in sorted(paths) for mutant in mutants(path.read_text(encoding="utf-8"))]
    sample = random.Random(seed).sample(everything, min(count, len(everything)))
    killed = 0
    for number, (path, mutant) in enumerate(sample, 1):
        if noticed(path, mutant):
            killed += 1
        else:
            print(f"survived: {path.relative_to(ROOT)}:{mutant.line}: {mutant.words}", flush=True)
        if number % 25 == 0 or number == len(sample):
            print(
                f"{number} of {len(everything):,} mutants, {killed} noticed ({100 * killed / number:.0f} %)", flush=True
            )
    return int(killed == 0)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:3]]
    sys.exit(main(*numbers, *sys.argv[3:]))
