"""Tells refusals of a model from texts that speak of refusals, such as reviews of a bad service.

A refusal begins with the model's own words: perhaps an excuse, then that *it* will not write what it was asked for. Or
it says that a language model speaks. What others were unable to do is an ordinary text.
"""

from __future__ import annotations

import re

START = 300  # characters in which a refusal is looked for

MODEL = r"""
\b(?:as|i'm|i\ am)(?:\ just|\ only)?
\ (?:an\ ai(?:\ (?:language\ )?model|\ (?:text\ |writing\ |virtual\ )?assistant|\ chatbot)?
|a\ (?:large\ )?language\ model)
(?:\ (?:created|developed|made|trained)\b[^,.\n]{0,40})?[,.;]?(?:\ (?:and|so))?\ (?:i|my)\b
"""
EXCUSE = r"""
(?:(?:i'm\ |i\ am\ )?(?:\w+\ )?sorry|(?:i\ )?(?:\w+\ )?apologi[sz]e|(?:my\ )?apologies|unfortunately
|i\ (?:understand|appreciate))\b[^\n"“]{0,80}?
"""
UNABLE = r"""
\bi(?:'m|\ am)?\ (?:\w+\ )?(?:can't|cannot|can\ not|unable\ to|not\ able\ to|won't|will\ not)
(?:\ (?:and|or)\ (?:won't|will\ not))?(?:\ \w+ly)?
"""
TEXTS = r"(?:contents?|material|texts?|tweets?|posts?|messages?|comments?|reviews?|sentences?|jokes?|headlines?)"
HARMFUL = r"(?:hat(?:e|eful)|harmful|offensive|abusive|racist|sexist|sexual|explicit|violent|illegal|discriminatory)"
REQUEST = r"(?:this|that|your|such\ an?)\ (?:[\w-]+\ )?requests?\b"
ASKED = rf"""
(?:{REQUEST}
|(?:this|that)(?:\ for\ you)?(?:[.,;]|\W*\Z)
|(?:[\w-]+\ ){{0,6}}?(?:
    (?:this|that|such|your)\ (?:[\w-]+\ )?(?:contents?|material|texts?)\b
    |such\ an?\ (?:[\w-]+\ )?{TEXTS}\b
    |(?:this|that|such\ an?)\ (?:kind|sort|type)\ of\ (?:[\w-]+\ )?{TEXTS}\b
    |(?:contents?|material|texts?)\ (?:that|which|like|of\ (?:this|that)|promoting)\b
    |{TEXTS}\ (?:that|which)\ (?:attack|demean|encourag|glorif|incit|insult|mock|promot|spread|target)
    |{HARMFUL}\ (?:[\w-]+\ )?(?:{TEXTS}|speech|language)\b))
"""
WILL_NOT = rf"""
(?:assist(?:\ you)?(?:\ with|\ in|[.,;]|\W*\Z)
|help\ (?:you\ )?(?:with|create|write|generate)\ (?:that|this|such|your|creating|writing|generating|{HARMFUL})\b
|(?:create|generate|produce|provide|write)\ {ASKED}
|comply\ with\ (?:{REQUEST}|(?:this|that)(?:[.,;]|\W*\Z))
|(?:complete|continue\ with|engage\ with|fulfill?|process|satisfy)\ {REQUEST})
"""
DECLINES = r"""
i\ must\ (?:respectfully\ )?decline\b
|i(?:'m\ not|\ am\ not|\ don't\ feel|\ do\ not\ feel)\ comfortable\ (?:writing|generating|creating|producing)\b
"""
REFUSAL = re.compile(
    rf"{MODEL}|\A\W*(?:{EXCUSE})?(?:{UNABLE}\ {WILL_NOT}|\b(?:{DECLINES}))", re.IGNORECASE | re.VERBOSE
)


def is_refusal(content: str) -> bool:
    """Whether an answer begins as language models refuse."""
    return REFUSAL.search(content[:START].replace("’", "'")) is not None
