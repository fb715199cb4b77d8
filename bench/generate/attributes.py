"""Attributes of texts: each prompt asks for one value of each, drawn by seed, so that the texts differ (AttrPrompt).

Yu et al., "Large Language Model as Attributed Training Data Generator", NeurIPS 2023. The values here fit every domain;
a file of the user replaces them, for example with topics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from bench.errors import UserError
from tasks.errors import did_you_mean, join_names, user_path
from tasks.strict_yaml import read_yaml

# By attribute, the values; or by attribute and label, where each label has its own values.
Attributes = Mapping[str, Sequence[str] | Mapping[str, Sequence[str]]]

NONE = "none"
USUAL: Attributes = {
    "length": ("very short", "short", "of the usual length", "long for its kind"),
    "style": ("plain", "casual", "formal", "lively", "terse", "chatty"),
    "writer": (
        "knows the subject well",
        "is new to the subject",
        "is in a hurry",
        "chooses words with care",
        "tells what just happened",
        "looks back at something",
    ),
    "start": ("with the point", "with a detail", "with a question", "in the middle of a thought"),
    "content": ("names a person, place or product", "holds a number or a date", "tells of one event", "stays general"),
}


def read_attributes(choice: str | None, labels: Sequence[str]) -> Attributes:
    """The usual attributes (None), no attributes (`none`), or those of a YAML file. Raises UserError or DataError."""
    if choice is None:
        return USUAL
    if choice == NONE:
        return {}
    path = user_path(choice)
    content = read_yaml(Path(path), as_text=True)  # no value or label becomes True, a number or a date
    if not isinstance(content, dict) or not content:
        raise UserError(f"{path}: attributes are a YAML mapping of names to lists: topic: [travel, food]")
    return {str(name): _values(path, str(name), values, labels) for name, values in content.items()}


def _values(
    path: Path, name: str, values: object, labels: Sequence[str]
) -> Sequence[str] | Mapping[str, Sequence[str]]:
    """The checked values of one attribute."""
    if isinstance(values, dict):
        by_label = {str(label): _texts(path, f"{name}: {label}", entries) for label, entries in values.items()}
        for label in by_label:
            if label not in labels:
                raise UserError(f"{path}: {name}: {label!r} is not a label{did_you_mean(label, labels)}")
        if lacking := [label for label in labels if label not in by_label]:
            raise UserError(f"{path}: {name} has no values for {join_names(lacking)}")
        return by_label
    return _texts(path, name, values)


def _texts(path: Path, what: str, values: object) -> Sequence[str]:
    entries = values if isinstance(values, list) else []
    if not entries or any(value is None or isinstance(value, list | dict) for value in entries):
        raise UserError(f"{path}: {what} needs a list of values, such as [travel, food], or a list for each label")
    return [str(value) for value in entries]


def drawn(attributes: Attributes, label: str, random: Random) -> dict[str, str]:
    """One value of each attribute for a text of a label."""
    by_name = {name: values[label] if isinstance(values, Mapping) else values for name, values in attributes.items()}
    return {name: random.choice(values) for name, values in by_name.items()}
