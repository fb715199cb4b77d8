"""Reads YAML in which every key occurs once. PyYAML alone keeps the last of two equal keys, which hides a mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tasks.errors import DataError, missing_file


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe YAML loader for which a repeated key, or a key that is not a scalar, is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            problem = ""
            if not isinstance(key, yaml.ScalarNode):
                problem = "a key must be a word; put text with braces or brackets in quotation marks"
            elif key.value in seen:
                problem = f"{key.value} is given twice; keep one"
            if problem:
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """The value in a YAML file. Raises `DataError` if the file is missing, is not YAML, or repeats a key."""
    if not path.is_file():
        raise missing_file(path)
    try:
        return yaml.load(path.read_bytes(), _UniqueKeyLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        kind = "" if isinstance(error, yaml.constructor.ConstructorError) else "not valid YAML: "
        raise DataError(f"{path}{line}: {kind}{error.problem}") from None
    except RecursionError:
        raise DataError(f"{path}: nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise DataError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
