"""Tokens and their cost, and the budget that no request may exceed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.errors import UserError
from bench.generate.backends import Answer, Prompt
from tasks.errors import short_repr

# A token of usual tokenizers holds at least a byte. Templates of chats add some tokens of their own.
TEMPLATE_TOKENS = 64
MILLION = 1_000_000
GROUPS = re.compile(r"(?<=\d),(?=\d{3}(\D|$))")  # a comma between groups of three digits
AMOUNT = re.compile(r"([\d.,_]+(?:e\d+)?)\s*(tokens?)?", re.IGNORECASE)


@dataclass(frozen=True)
class Tokens:
    """Numbers of tokens read and written."""

    read: int = 0
    written: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.read + other.read, self.written + other.written)

    @property
    def total(self) -> int:
        """Both together."""
        return self.read + self.written


@dataclass(frozen=True)
class Prices:
    """Prices of a million tokens, in any currency; None where the user gave none."""

    read: float | None
    written: float | None

    def cost(self, tokens: Tokens) -> float | None:
        """The cost of tokens; None without prices."""
        if self.read is None or self.written is None:
            return None
        return (tokens.read * self.read + tokens.written * self.written) / MILLION


@dataclass(frozen=True)
class Budget:
    """A limit of tokens or of money."""

    amount: float
    in_tokens: bool


def parsed_budget(text: str | None, prices: Prices) -> Budget | None:
    """A budget such as `5` (money) or `200000 tokens`. Raises UserError for another text, or money without prices."""
    if (prices.read is None) != (prices.written is None):
        raise UserError("--price-in and --price-out belong together: give both, per million tokens")
    if text is None:
        return None
    match = AMOUNT.fullmatch(text.strip())
    try:
        amount = float(GROUPS.sub("", match[1]).replace("_", "")) if match else 0.0
    except ValueError:
        amount = 0.0
    if match is None or not amount > 0:
        raise UserError(
            f'--budget {short_repr(text)} is neither money (5 or 0.5, with a point) nor tokens ("200000 tokens")'
        )
    if match[2] is None and prices.read is None:
        raise UserError(
            f"--budget {text} is money, which needs --price-in and --price-out (per million tokens); "
            f'"{text} tokens" needs no prices'
        )
    return Budget(amount, in_tokens=match[2] is not None)


def most_tokens(prompt: Prompt, max_tokens: int) -> Tokens:
    """The most tokens that a prompt and its answer may have."""
    return Tokens(TEMPLATE_TOKENS + sum(len(message.content.encode()) for message in prompt.messages), max_tokens)


class Spending:
    """What was spent, and what prompts in work may still cost."""

    def __init__(self, prices: Prices, budget: Budget | None) -> None:
        self.prices, self.budget = prices, budget
        self.spent, self.reserved = Tokens(), Tokens()
        self.estimated = 0  # answers without token counts, for which the most possible was counted

    def reserve(self, most: Tokens) -> bool:
        """Reserve the most tokens of a request, if the budget allows them."""
        if self.budget is not None and (self.amount(self.spent + self.reserved + most) or 0) > self.budget.amount:
            return False
        self.reserved += most
        return True

    def amount(self, tokens: Tokens) -> float | None:
        """Tokens in the unit of the budget."""
        return tokens.total if self.budget and self.budget.in_tokens else self.prices.cost(tokens)

    def settle(self, most: Tokens, answer: Answer) -> Tokens:
        """Replace a reservation by what the answer used; returns that."""
        self.reserved = Tokens(self.reserved.read - most.read, self.reserved.written - most.written)
        if answer.failure:
            return Tokens()
        used = most if answer.tokens is None else Tokens(*answer.tokens)
        self.estimated += answer.tokens is None
        self.spent += used
        return used

    def __str__(self) -> str:
        cost = self.prices.cost(self.spent)
        money = "" if cost is None else f", cost {cost:,.4f} at the given prices"
        return f"{self.spent.read:,} tokens read and {self.spent.written:,} written{money}"
