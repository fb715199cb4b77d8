"""YAML whose keys stand once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tasks.errors import DataError, missing


class _OnceEach(yaml.SafeLoader):
    """YAML without tags whose keys stand once: a loader that keeps the last of two hides a slip."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                told = "a key is a word; put what has braces or brackets in quotes"
                raise yaml.constructor.ConstructorError(None, None, told, key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """The value in a YAML file. Raises `DataError` for a file that is not there, not YAML, or has a key twice."""
    if not path.is_file():
        raise missing(path)
    try:
        return yaml.load(path.read_bytes(), _OnceEach)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        wrong = "" if isinstance(error, yaml.constructor.ConstructorError) else "not valid YAML: "
        raise DataError(f"{path}{line}: {wrong}{error.problem}") from None
    except RecursionError:
        raise DataError(f"{path}: nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise DataError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
