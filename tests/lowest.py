"""`python -m tests.lowest`: prints the lowest versions that pyproject.toml promises, as requirements for pip.

`make test-lowest` installs them and runs tests. torch is not among them: each of its builds has gigabytes.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
APART = ("torch",)


def lowest() -> Iterator[str]:
    """The requirements, such as `pandas==2.2.2`. Raises ValueError for a dependency without a lower bound."""
    for line in tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]:
        bound = re.fullmatch(r"([A-Za-z0-9_.-]+)>=([0-9][0-9.]*)", line)
        if bound is None:
            raise ValueError(f"{line!r} in pyproject.toml has no lower bound, as in pandas>=2.2.2")
        if bound[1] not in APART:
            yield f"{bound[1]}=={bound[2]}"


if __name__ == "__main__":
    print(*lowest(), sep="\n")
