"""What a backend is: it turns prompts into answers, a batch at a time, several batches at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class Message:
    """One message of a chat."""

    role: Literal["system", "user"]
    content: str


@dataclass(frozen=True)
class Prompt:
    """The messages to a model, and the seed of its answer, which a server may ignore."""

    messages: tuple[Message, ...]
    seed: int


@dataclass(frozen=True)
class Sampling:
    """How a backend asks its model."""

    model: str
    temperature: float
    top_p: float
    max_tokens: int  # of an answer
    concurrency: int  # prompts in work at the same time
    timeout: float  # seconds that a server has for an answer
    base_url: str | None  # of a server; None: that of the client


@dataclass(frozen=True)
class Answer:
    """What a model answered. Token counts are None where the backend does not know them."""

    text: str
    finish_reason: str  # `stop`, `length` and `content_filter` as the API of OpenAI names them, or what the server says
    model: str  # as the backend names it, mostly with its version
    tokens_in: int | None
    tokens_out: int | None
    refusal: str = ""  # why the model did not answer, if it says so
    failure: str = ""  # why there is no answer; the other fields are then empty

    @property
    def tokens(self) -> tuple[int, int] | None:
        """Tokens read and written; None unless both are known."""
        if self.tokens_in is None or self.tokens_out is None:
            return None
        return self.tokens_in, self.tokens_out


class Backend(Protocol):
    """A source of answers. Methods raise UserError for what no further request would fix, such as a wrong key."""

    batch: int  # prompts of one call of `answers`
    parallel: int  # calls of `answers` at the same time
    place: str  # where the model runs, for the user; without credentials
    notes: list[str]  # what the backend had to do differently, for the user

    @property
    def sent_again(self) -> int:
        """Requests that had to be repeated."""

    async def start(self) -> None:
        """Check, before the first prompt, that answers can be expected."""

    async def answers(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """An answer for each prompt."""

    async def close(self) -> None:
        """Free what the backend holds."""
