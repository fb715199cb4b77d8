"""Refusals as language models write them, and texts that speak of what somebody did not do."""

from __future__ import annotations

import json

import pytest

from bench.generate.answers import AnswerOutcome, parsed
from bench.generate.backends import Answer

REFUSALS = """\
I'm sorry, but I can't help with that request.
I’m sorry, but I can’t assist with that.
I'm really sorry, but I can't provide that.
I'm sorry, but as an AI language model I cannot do that.
I'm sorry, but I'm unable to comply with this request.
I apologize, but I cannot generate this content.
My apologies, but I cannot write that kind of text.
Sorry, I can't assist with that.
Unfortunately, I'm not able to assist with creating such texts.
I understand your request, but I cannot write texts of this kind.
As an AI language model, I cannot write such reviews.
As an AI, I don't have personal opinions.
As an AI assistant developed by Example, I cannot generate hate speech.
As a large language model, I have no opinions.
I am an AI language model and I do not have opinions.
I cannot generate this content
I can't create content that demeans people.
I can’t write hateful messages about people.
I cannot create a tweet that attacks a group.
I cannot and will not write content like that.
I can't write such a tweet.
I can't help you with that.
I cannot fulfill your request. I am programmed to be harmless.
I'm not able to help with writing hateful tweets.
I must decline to write this.
I do not feel comfortable generating this content.
I won't write this.
I'm sorry, but I can't fulfil this request.
I can't comply with that.""".splitlines()
ROWS = """\
The staff was unable to assist me and the food was cold.
Customer service was not able to help with my refund. One star.
Google unveiled a new AI model that writes poems.
Can't believe people write such nice songs!
I can't recommend it: the manual does not help with anything.
Sorry, but the hotel could not provide this service we paid for.
Google sells Gemini as an AI assistant for everyone.
As an AI researcher I loved this book.
The agent said "I can't help with that" and hung up.
Unfortunately the agent only said "I can't help with that request".
Unfortunately, support was unable to assist, and the refund never came.
I am sorry that I cannot give five stars: this seller would not help with anything.
I can't complete my request for a refund.
I can't create an account in this app. Two stars.
I can't create content in this app since the update.
I cannot write a review that does it justice.
I cannot provide my card number to such a shop.
I won't provide any more money to this airline
I can't write this essay, send coffee
I can't complete this. Level 42 is impossible.
I will not comply
I cannot answer that, ask my sister
I cannot provide any kind of receipt, they never sent one.
I can't help with any of it
I'm sorry you can't be here to help with the kids this weekend
Sorry I can't make it tonight, have to help with the move
I can't help with anything at home when my back hurts
I'm not able to sleep, so I write such long tweets.
I apologize to everyone who has to write this exam tomorrow""".splitlines()


def outcome(text: str, *, pair: bool = False) -> AnswerOutcome:
    return parsed(Answer(text, "stop", "m", 1, 1), pair=pair).outcome


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals_are_no_rows(text: str) -> None:
    assert outcome(text) is AnswerOutcome.REFUSED
    assert outcome(f"```\n{text}\n```") is AnswerOutcome.REFUSED
    assert outcome(json.dumps({"text": text, "text_pair": "..."}), pair=True) is AnswerOutcome.REFUSED


@pytest.mark.parametrize("text", ROWS)
def test_reviews_and_tweets_are_rows(text: str) -> None:
    """Bad reviews of a service and news on AI were taken for refusals, so the rows were biased by class."""
    assert outcome(text) is AnswerOutcome.ROW
    assert outcome(json.dumps({"text": text, "text_pair": "."}), pair=True) is AnswerOutcome.ROW
