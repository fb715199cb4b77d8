"""Reads an answer: the text, or why it is no row."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum

from bench.generate.backends import Answer
from bench.generate.refusals import is_refusal
from tasks.loading.checks import text_problem

# Some chat templates put <think> into the prompt, so that an answer begins amid the thoughts.
THOUGHTS = re.compile(r"\A(?:(?!<think>).)*?</think>|<think>.*?</think>", re.DOTALL)
FENCE = re.compile(r"```\w*\n(.*)\n```", re.DOTALL)
QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "'": "'"}


class AnswerOutcome(StrEnum):
    """What became of an answer."""

    ROW = "row"
    REPEATED = "repeats a generated row"
    REAL = "repeats a real row"
    TEST = "repeats a test row"
    REFUSED = "refused"
    CUT = "cut at the token limit"
    MALFORMED = "malformed"


@dataclass(frozen=True)
class Parsed:
    """The text or texts of an answer; `outcome` is ROW unless there is none to use."""

    outcome: AnswerOutcome
    text: str = ""
    text_pair: str | None = None


def parsed(answer: Answer, *, pair: bool) -> Parsed:
    """What an answer holds. Thoughts, quotation marks and code fences around the text are taken off."""
    content = bare(THOUGHTS.sub("", answer.text).strip())
    texts = pair_of(content) if pair else (content, None)
    refused = answer.refusal or answer.finish_reason == "content_filter"
    if refused or any(is_refusal(text) for text in (content, *(texts or ())) if text):
        return Parsed(AnswerOutcome.REFUSED)
    if answer.finish_reason == "length":
        return Parsed(AnswerOutcome.CUT)
    if texts is None or any(text_problem(text) for text in texts if text is not None):
        return Parsed(AnswerOutcome.MALFORMED)
    return Parsed(AnswerOutcome.ROW, *texts)


def bare(content: str) -> str:
    """A text without a code fence or a pair of quotation marks around all of it."""
    if fence := FENCE.fullmatch(content):
        content = fence[1].strip()
    inside = content[1:-1]
    if len(content) > 2 and QUOTES.get(content[0]) == content[-1] and not {content[0], content[-1]} & set(inside):
        content = inside.strip()
    return content


def pair_of(content: str) -> tuple[str, str | None] | None:
    """The two texts of a JSON object; None if the content is not such an object."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    text, text_pair = (value.get("text"), value.get("text_pair")) if isinstance(value, dict) else (None, None)
    if not isinstance(text, str) or not isinstance(text_pair, str):
        return None
    return text.strip(), text_pair.strip()
