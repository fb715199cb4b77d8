"""`python -m bench`, after a check that the packages beside it are the ones that Python finds.

Python looks in the working directory first, so a file `tasks.py` there would be taken for the package `tasks`.
"""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def shadow() -> str:
    """The file that stands in the way of one of the project's packages; empty if none does."""
    for name in ("methods", "tasks"):
        spec = importlib.util.find_spec(name)
        found = Path(spec.origin).resolve() if spec and spec.origin else None
        if found != ROOT / name / "__init__.py":
            return f"{found or name} stands in the way of the package {name!r}"
    return ""


if __name__ == "__main__":
    if problem := shadow():
        print(f"error: {problem}: run from another folder, or with the command `bench`", file=sys.stderr)
        sys.exit(2)
    from bench.cli import main

    main()
