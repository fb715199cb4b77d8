"""Reads YAML in which every key occurs once. PyYAML alone keeps the last of two equal keys, which hides a mistake.

A few hundred bytes with aliases of aliases can mean a billion values, so values are counted before any is built.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tasks.errors import DataError, missing_file, plural

MAX_BYTES = 2**16  # of a file; PyYAML reads about 100 kB in a second
MAX_VALUES = 20_000  # of a file, each alias counted as the values that it repeats
MAX_INTEGER = 2**63


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe YAML loader for which a repeated key, a key that is not a scalar, or too many values are an error."""

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _count(node, {})
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):  # such as `!!map 5`
            raise _problem("a mapping of keys to values is needed here", node)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _problem("a key must be a word; put text with braces or brackets in quotation marks", key)
            if key.value in seen:
                raise _problem(f"{key.value} is given twice; keep one", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        value = int(super().construct_yaml_int(node))
        if abs(value) > MAX_INTEGER:
            raise _problem("this whole number is too large", node)
        return value


class _TextLoader(_UniqueKeyLoader):
    """A loader for which all values but `null` are text as it is written: `yes`, `1.10` and `12:30` stay so."""


_TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in entries if tag.endswith((":null", ":merge"))]
    for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_UniqueKeyLoader.add_constructor("tag:yaml.org,2002:int", _UniqueKeyLoader.construct_yaml_int)


def _problem(text: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, text, node.start_mark)


def _count(node: yaml.Node, counts: dict[yaml.Node, int]) -> int:
    """The number of values of a node, those of its aliases included. `counts`: of the nodes so far, 0 of open ones.

    Raises ConstructorError for more than `MAX_VALUES`, or for a value that contains itself.
    """
    if node not in counts:
        counts[node] = 0
        entries = node.value if isinstance(node, yaml.CollectionNode) else []
        parts = [part for entry in entries for part in (entry if isinstance(entry, tuple) else (entry,))]
        counts[node] = 1 + sum(_count(part, counts) for part in parts)
    if not counts[node]:
        raise _problem("this value contains itself", node)
    if counts[node] > MAX_VALUES:
        raise _problem(f"more than {plural(MAX_VALUES, 'value')}, those that aliases (*) repeat included", node)
    return counts[node]


def read_yaml(path: Path, *, as_text: bool = False) -> Any:
    """The value in a YAML file. `as_text`: numbers, dates, yes and no stay the text that they are in the file.

    Raises `DataError` if the file is missing, too large, not YAML, repeats a key or has too many values.
    """
    if not path.is_file():
        raise missing_file(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise yaml.YAMLError(f"it has more than {MAX_BYTES:,} bytes")
        return yaml.load(content, _TextLoader if as_text else _UniqueKeyLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        kind = "" if isinstance(error, yaml.constructor.ConstructorError) else "not valid YAML: "
        raise DataError(f"{path}{line}: {kind}{error.problem}") from None
    except RecursionError:
        raise DataError(f"{path}: nested too deeply") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
        # PyYAML's own constructors raise the last three for a tag that does not fit its value, such as `!!bool x`.
        reason = str(error) if isinstance(error, yaml.YAMLError | ValueError) else "a tag (!!) does not fit its value"
        raise DataError(f"{path}: not valid YAML: {' '.join(reason.split())}") from None
