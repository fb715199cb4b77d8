"""Prompts: label-conditioned, with attributes, and with examples (few-shot) or without (zero-shot).

A prompt is a function of the settings, its label and its number, so a run that continues asks what it would have asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from bench.generate.attributes import Attributes, drawn
from bench.generate.backends import Message, Prompt
from bench.seeds import derive

MOST_OTHERS = 100  # labels that a prompt names beside its own
VERSION = 1  # of the wording: raise it with every change, since rows and journals name it

SYSTEM = (
    "You write texts for a data set on which text classifiers are trained. Answer with the text alone: no title, no "
    "label, no quotation marks around it, no comment."
)
SYSTEM_PAIR = (
    "You write pairs of texts for a data set on which text classifiers are trained. Answer with one JSON object alone: "
    '{"text": "the first text", "text_pair": "the second text"}'
)


@dataclass(frozen=True)
class Example:
    """A real row that prompts may show: its number in the file, from 0, and its text or texts."""

    row: int
    text: str
    text_pair: str | None = None


@dataclass(frozen=True)
class Asked:
    """A prompt with what it was made of, for the provenance of its row."""

    label: str
    number: int  # of the prompt among those of its label, from 0
    prompt: Prompt
    attributes: Mapping[str, str]
    examples: tuple[int, ...]  # numbers of rows

    @property
    def id(self) -> str:
        """The prompt's name in the file: `pos-17`."""
        return f"{self.label}-{self.number}"


@dataclass(frozen=True)
class Prompts:
    """Makes the prompts of a run."""

    domain: str
    labels: Mapping[str, str]  # by label, what it means; empty where the name says it
    attributes: Attributes
    examples: Mapping[str, Sequence[Example]]  # by label; empty without few-shot
    shown: int  # examples of a prompt
    pair: bool
    seed: int

    @property
    def template(self) -> str:
        """The name of the wording."""
        return f"{'few-shot' if self.examples else 'zero-shot'}{' pair' if self.pair else ''}/{VERSION}"

    def make(self, label: str, number: int) -> Asked:
        """The prompt of a label with a number."""
        seed = derive("generate", self.seed, label, number)
        random = Random(seed)
        attributes = drawn(self.attributes, label, random)
        of_label = self.examples.get(label, ())
        examples = random.sample(of_label, min(self.shown, len(of_label)))
        lines = [*self._task(label), *self._attributes(attributes), *self._examples(label, examples)]
        system = Message("system", SYSTEM_PAIR if self.pair else SYSTEM)
        prompt = Prompt((system, Message("user", "\n".join(lines))), seed % 2**31)
        return Asked(label, number, prompt, attributes, tuple(example.row for example in examples))

    def _task(self, label: str) -> list[str]:
        others = [self._named(other) for other in self.labels if other != label]
        listed = ", ".join(others) if len(others) <= MOST_OTHERS else f"any of {len(others):,} other classes"
        what = "pair of texts" if self.pair else "text"
        return [
            f"Write one new {what} of this kind: {self.domain}.",
            f"It clearly belongs to the class {self._named(label)}, and not to: {listed}.",
            "Do not name the class.",
        ]

    def _named(self, label: str) -> str:
        meaning = self.labels[label]
        return f'"{label}" ({meaning})' if meaning else f'"{label}"'

    def _attributes(self, attributes: Mapping[str, str]) -> list[str]:
        return ["", *(f"- {name}: {value}" for name, value in attributes.items())] if attributes else []

    def _examples(self, label: str, examples: Sequence[Example]) -> list[str]:
        if not examples:
            return []
        listed = [f"{number}. {self._shown(example)}" for number, example in enumerate(examples, start=1)]
        head = f'Real examples of the class "{label}". Write in their manner, but do not repeat or rephrase them:'
        return ["", head, *listed]

    def _shown(self, example: Example) -> str:
        if not self.pair:
            return " ".join(example.text.split())
        return json.dumps({"text": example.text, "text_pair": example.text_pair}, ensure_ascii=False)
