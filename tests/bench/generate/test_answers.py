"""What is taken off an answer, and what is left as the row."""

from __future__ import annotations

import pytest

from bench.generate.answers import AnswerOutcome, Parsed, parsed
from bench.generate.backends import Answer


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("<think>hm</think>\n\nLoved it!", "Loved it!"),
        ("Okay, a tweet.\n</think>\n\nLoved it!", "Loved it!"),
        ("Loved <think>what?</think>it!", "Loved it!"),
        ("hm</think>Loved <think>what?</think>it!", "Loved it!"),
        ("I think, so I am", "I think, so I am"),
    ],
)
def test_thoughts_are_taken_off(answer: str, text: str) -> None:
    """Where the chat template puts <think> into the prompt, the answer has only the end, and thoughts became rows."""
    assert parsed(Answer(answer, "stop", "m", 1, 1), pair=False) == Parsed(AnswerOutcome.ROW, text)
