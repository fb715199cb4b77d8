"""`python -m tests.fuzz [EXAMPLES]`: the properties of `tests/test_fuzz.py` with many more examples, 7,000 by default.

Prints one line at the end. Exit code 1 if an input caused something else than a message of one line.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import traceback
from pathlib import Path

from tests.fuzz.targets import TARGETS, Campaign


def main(examples: int) -> int:
    """Read `examples` examples of each target; returns the exit code."""
    campaign = Campaign()
    with tempfile.TemporaryDirectory() as root:
        numbers = itertools.count()

        def folder() -> Path:
            place = Path(root) / str(next(numbers))
            place.mkdir()
            return place

        for name in TARGETS:
            try:
                campaign.read(name, examples, folder)
            except Exception:  # the report counts every kind
                campaign.defects.append(name)
                traceback.print_exc()
    seconds, slowest = campaign.slowest
    where = f" ({', '.join(campaign.defects)})" if campaign.defects else ""
    print(f"{campaign.inputs:,} inputs, {len(campaign.defects)} tracebacks{where}, slowest {seconds:.2f} s ({slowest})")
    return 1 if campaign.defects else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7_000))
