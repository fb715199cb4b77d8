"""Backends: what answers prompts, one file each. A new backend is one entry in `BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.generate.backends import local_model, openai_server
from bench.generate.backends.backend import Answer, Backend, Message, Prompt, Sampling

__all__ = ["BACKENDS", "Answer", "Backend", "Message", "Prompt", "Sampling"]

BACKENDS: Mapping[str, Callable[[Sampling], Backend]] = {
    "openai": openai_server.OpenAIServer,
    "transformers": local_model.LocalModel,
}
