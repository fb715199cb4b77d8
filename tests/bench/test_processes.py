"""Processes of a pool know nothing of the script that asked for them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_script_without_a_main_guard_may_ask_for_processes(tmp_path):
    (tmp_path / "script.py").write_text(
        "from bench.processes import pool\n"
        "with pool(2) as processes:\n"
        "    print(list(processes.map(abs, [-1, 2, -3])))\n"
        "print(__file__)\n"
    )
    run = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split("\n")[0] == "[1, 2, 3]"
    assert run.stdout.count("script.py") == 1, "the script runs once, and knows its file again afterwards"
