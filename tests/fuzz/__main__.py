"""`python -m tests.fuzz [EXAMPLES [SEED [TARGET ...]]]`: reads many examples of each target, 7,000 by default.

Prints a line for each target, and the summary. The exit code is 1 if an input caused something else than a message of
one line, if a reader wrote outside of its folder, or if an input took longer than `SLOW` seconds.
"""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.fuzz.targets import SLOW, TARGETS, Campaign

BATCH = 500  # examples that are drawn together: hypothesis remembers all of them, and gets slower with their number


def main(examples: int = 7_000, seed: int = 0, *names: str) -> int:
    """Read `examples` examples of each of the named targets, by default of all; returns the exit code."""
    whole, defects = Campaign(), dict[str, str]()
    for name in names or TARGETS:
        began, before = time.monotonic(), whole.inputs
        for start in range(0, examples, BATCH):
            batch = seed + start // BATCH
            with tempfile.TemporaryDirectory() as folder:
                try:
                    whole.read(name, min(BATCH, examples - start), Path(folder) / "example", batch)
                except Exception as error:  # all kinds are counted, each of them once
                    last = traceback.extract_tb(error.__traceback__)[-1]
                    kind = f"{name}: {type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
                    if kind not in defects:
                        defects[kind] = f"seed {batch}"
                        traceback.print_exc()
        print(f"{name:22} {whole.inputs - before:7,} inputs, {time.monotonic() - began:4.0f} s", flush=True)
    for kind, where in defects.items():
        print(f"DEFECT {kind} ({where})")
    seconds, slowest = whole.slowest
    print(f"{whole.inputs:,} inputs, {len(defects)} defects, slowest {seconds:.2f} s ({slowest})")
    return int(bool(defects) or seconds >= SLOW)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3]), *sys.argv[3:]))
