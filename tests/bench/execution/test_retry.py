"""--fail-fast stops at the first failure, a failure stays until --retry-failed, which trains nothing else again."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.helpers import warm
from tests.helpers.background import metrics

FRAGILE = '''
import os

from methods.base import WeightMethod
from methods.registry import register


@register("fragile")
class Fragile(WeightMethod):
    """Fails while the disk is full."""

    def weights(self, batch):
        if "FULL" in os.environ:
            raise OSError("no space left")
        return batch.logp.detach() * 0 + 1
'''


def test_a_failure_stays_until_it_is_tried_again(tmp_path: Path, tiny_encoder: Path) -> None:
    (tmp_path / "fragile.py").write_text(FRAGILE)
    tiny = ("--preset", "smoke", "--encoder", str(tiny_encoder), "--workers", "1", "--no-figures")
    grid = ("run", "--plugin", "fragile.py", "--methods", "ce,fragile", "--seeds", "2", *tiny)

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return warm.run([*grid, *arguments], tmp_path, environment)

    first = run("--fail-fast", FULL="1")
    assert first.returncode == 1
    assert "stopped at the first failure" in first.stdout
    assert first.stdout.count("] FAILED") == 1
    assert "not trained yet: " in first.stdout
    second = run()
    assert second.returncode == 1, "the failure stays"
    assert "OSError: no space left (in an earlier run) (log: " in second.stdout
    assert f"to try again: python -m bench {' '.join(grid)} --retry-failed" in second.stdout
    before = metrics(tmp_path)
    third = run("--retry-failed")
    assert third.returncode == 0, third.stdout + third.stderr
    assert "4 cells: 3 done before, 1 to do" in third.stdout
    assert before.items() < metrics(tmp_path).items()
