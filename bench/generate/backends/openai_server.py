"""The backend `openai`: any server with the chat API of OpenAI, asked by the client of that name.

The client itself waits and asks again after a rate limit (as long as `Retry-After` says, up to 120 s), a server error,
a time-out or a broken connection. The key comes from the environment, and messages never repeat it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from bench.errors import UserError
from bench.generate.backends.backend import Answer, Prompt, Sampling
from tasks.errors import did_you_mean, join_names, short_repr, without_password

KEY = "OPENAI_API_KEY"
RETRIES = 10  # of one request; without Retry-After the waits grow to 8 s and add up to about a minute
START_RETRIES, START_TIMEOUT = 2, 10.0  # of the first contact: who mistypes an address must not wait for a minute
# Parameters that a request can do without: the seed, and the others where they are 1, their usual value.
OPTIONAL = {"seed", "temperature", "top_p"}
MOST_SHOWN = 300  # characters of a server's message


class OpenAIServer:
    """Sends a request per prompt, `concurrency` of them at the same time."""

    batch = 1

    def __init__(self, sampling: Sampling) -> None:
        try:
            import openai
        except ImportError:
            raise UserError(
                'backend openai needs the package openai: pip install "data-weighting-bench[generate]"'
            ) from None
        self.key = os.environ.get(KEY, "").strip()
        if not self.key:
            raise UserError(
                f"backend openai reads the key from the environment: export {KEY}=... (for a server that needs no key, "
                "any word)"
            )
        if not (self.key.isascii() and self.key.isprintable()) or " " in self.key:  # the client's errors would quote it
            raise UserError(f"{KEY} holds a line end, a blank or a letter that no key has; export the key alone")
        self.sampling, self.parallel = sampling, sampling.concurrency
        self.asked = self.sent = 0  # prompts, and requests for them: more where the client had to repeat one
        self.limit = "max_tokens"  # newer models of OpenAI call it max_completion_tokens
        self.left_out: set[str] = set()  # parameters that the server does not take
        self.notes: list[str] = []
        self.known: list[str] = []  # the models that the server lists
        check_url(sampling.base_url or os.environ.get("OPENAI_BASE_URL"))
        try:
            self.client = openai.AsyncOpenAI(
                api_key=self.key,
                base_url=sampling.base_url,
                max_retries=RETRIES,
                timeout=sampling.timeout,
                http_client=openai.DefaultAsyncHttpxClient(event_hooks={"request": [self._count]}),
            )
        except Exception as error:  # of many kinds, such as a proxy that the client does not know
            raise UserError(
                f"no client for the server ({self._shown(error)}); --base-url and the variables ALL_PROXY, HTTP_PROXY "
                "and HTTPS_PROXY say where it connects to"
            ) from None
        self.place = f"{self.client.base_url.host}:{self.client.base_url.port or self.client.base_url.scheme}"

    @property
    def sent_again(self) -> int:
        """Requests that had to be repeated."""
        return self.sent - self.asked

    async def _count(self, request: Any) -> None:
        self.sent += "chat/completions" in str(request.url)

    async def start(self) -> None:
        """Raise UserError if the server cannot be reached or refuses the key."""
        import openai

        client = self.client.with_options(max_retries=START_RETRIES, timeout=min(START_TIMEOUT, self.sampling.timeout))
        try:
            self.known = [model.id for model in (await client.models.list()).data or ()]
        except openai.APIConnectionError as error:
            reason = self._shown(error.__cause__ or error)
            raise UserError(f"no answer from the server at {self.place} ({reason}); --base-url sets it") from None
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise self._refused_key(error) from None
        except Exception:
            self.known = []  # a server need not list its models

    async def answers(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """The answer to each prompt."""
        return [await self._answer(prompt) for prompt in prompts]

    async def _answer(self, prompt: Prompt) -> Answer:
        import openai

        parameters = self._parameters(prompt)
        self.asked += 1
        try:
            completion = await self.client.chat.completions.create(
                model=self.sampling.model,
                messages=[{"role": message.role, "content": message.content} for message in prompt.messages],  # type: ignore[misc]
                extra_body=parameters,
            )
            return answer_of(completion)
        except openai.APIStatusError as error:
            if self._adapted(error, parameters):
                return await self._answer(prompt)
            return self._rejected(error)
        except openai.APIConnectionError as error:
            return failed(self._shown(error.__cause__ or error))
        except (openai.APIError, ValueError, AttributeError, LookupError, TypeError) as error:
            return failed(f"an answer that is not of the chat API ({self._shown(error)})")

    def _parameters(self, prompt: Prompt) -> dict[str, Any]:
        """The parameters of a request, without those that the server does not take."""
        sampling = self.sampling
        parameters = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": prompt.seed}
        taken = {name: value for name, value in parameters.items() if name not in self.left_out}
        return {**taken, self.limit: sampling.max_tokens}

    def _adapted(self, error: Any, parameters: Mapping[str, Any]) -> bool:
        """Whether the server refused a parameter that the next request has under another name, or does without."""
        if error.status_code not in (400, 422):
            return False
        if error.param == "max_tokens" and "max_tokens" in parameters:
            self.limit = "max_completion_tokens"
            return True
        for name in OPTIONAL & parameters.keys():
            refused = error.param == name or re.search(rf"\b{name}\b", str(error.body))
            if refused and (name == "seed" or parameters[name] == 1):
                if name not in self.left_out:
                    self.notes.append(f"the server takes no {name}, which was left out")
                self.left_out.add(name)
                return True
        return False

    def _rejected(self, error: Any) -> Answer:
        """The answer in place of one that the server refused. Raises UserError if it would refuse every other too."""
        status, code = error.status_code, str(error.code or "")
        if status in (401, 403):
            raise self._refused_key(error) from None
        if status == 404:
            hint = did_you_mean(self.sampling.model, self.known)
            hint = hint or (f"; it has {join_names(self.known)}" if self.known else "")
            raise UserError(
                f"the server at {self.place} does not know the model {short_repr(self.sampling.model)} "
                f"({self._shown(error)}){hint}; --model names another"
            ) from None
        if code == "insufficient_quota":
            raise UserError(f"the account at {self.place} has no credit left ({self._shown(error)})") from None
        if code == "content_filter":
            return Answer("", "content_filter", self.sampling.model, None, None, refusal=self._shown(error))
        if status in (408, 409, 429) or status >= 500:
            wait = error.response.headers.get("retry-after")
            return failed(self._shown(error) + (f"; the server asks to wait {wait} s" if wait else ""))
        raise UserError(f"the server at {self.place} refuses the request ({self._shown(error)})") from None

    def _refused_key(self, error: Exception) -> UserError:
        return UserError(f"the server at {self.place} refuses the key in {KEY} ({self._shown(error)})")

    def _shown(self, error: BaseException) -> str:
        """An error in a line, cut, without the key."""
        text = " ".join((str(error) or type(error).__name__).split()).replace(self.key, f"<{KEY}>")
        return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()


def check_url(url: str | None) -> None:
    """Raise UserError for an address that is none, or that holds credentials, which would be shown and stored."""
    if url is None:
        return
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0  # a port may be no number
    except ValueError:
        usable = False
    if not usable:
        raise UserError(
            f"--base-url {short_repr(without_password(url))} is no address such as http://localhost:8000/v1"
        )
    if parts.username or parts.password or parts.query:
        raise UserError(f"--base-url must not hold a user name, password or query; the key belongs into {KEY}")


def answer_of(completion: Any) -> Answer:
    """The first choice of a chat completion. Raises AttributeError, LookupError or TypeError if there is none."""
    choice, usage = completion.choices[0], completion.usage
    refusal = getattr(choice.message, "refusal", None)
    return Answer(
        text=text_of(choice.message.content),
        finish_reason=str(choice.finish_reason),
        model=str(completion.model),
        tokens_in=count_of(usage, "prompt_tokens"),
        tokens_out=count_of(usage, "completion_tokens"),
        refusal=str(refusal) if refusal else "",
    )


def text_of(content: Any) -> str:
    """The text of a message; of one in parts, as models that think send, the parts that are text. Raises TypeError."""
    if isinstance(content, list):
        parts = (part for part in content if isinstance(part, dict) and part.get("type") == "text")
        return "".join(text_of(part.get("text")) for part in parts)
    if not isinstance(content, str | None):
        raise TypeError(f"the content of the message is a {type(content).__name__}")
    return content or ""


def count_of(usage: Any, name: str) -> int | None:
    """A number of tokens; None where the server does not say it."""
    value = getattr(usage, name, None)
    return value if isinstance(value, int) and value >= 0 else None


def failed(problem: str) -> Answer:
    """The answer in place of one that did not come."""
    return Answer("", "", "", None, None, failure=problem)
