"""The example of a loop of one's own runs as its page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_example_trains_and_prints_both_accuracies(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "plain_loop.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ran.returncode == 0, ran.stderr
    found = dict(re.findall(r"^(ce|dimp): test accuracy (0\.\d{4})", ran.stdout, re.MULTILINE))
    assert set(found) == {"ce", "dimp"}
    assert all(float(value) > 0.5 for value in found.values()), "better than a guess on balanced classes"
