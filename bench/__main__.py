"""`python -m bench`: checks that Python finds this project's packages `methods` and `tasks`, then starts.

Python looks in the working directory first, so that a file `tasks.py` there hides the package `tasks`.
"""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def hidden_package() -> str:
    """The error message if another file hides a package of the project; empty if none does."""
    for name in ("methods", "tasks"):
        spec = importlib.util.find_spec(name)
        file = Path(spec.origin).resolve() if spec and spec.origin else None
        if file != ROOT / name / "__init__.py":
            return f"{file or name} hides the package {name!r}; run from another folder, or with the command `bench`"
    return ""


def main() -> None:
    """Run the command line and exit, also for the command `bench`. Ctrl-C before it runs has exit code 130 too."""
    if problem := hidden_package():
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
    try:
        from bench import cli

        cli.main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        exec("")  # Python remembers a Ctrl-C within `exec`, as dataclasses use it, and would end by SIGINT


if __name__ == "__main__":
    main()
