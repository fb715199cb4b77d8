"""The backend `transformers`: a causal language model on this machine, from a folder or the hub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench import devices
from bench.encoders.checkpoints import LANGUAGE_MODEL, find
from bench.errors import UserError
from bench.generate.backends.backend import Answer, Prompt, Sampling


class LocalModel:
    """Answers `concurrency` prompts at once, as one batch.

    A model with a chat template gets the messages as a chat. Another one continues a plain text, and its answer ends
    with the line.
    """

    parallel = 1
    sent_again = 0

    def __init__(self, sampling: Sampling) -> None:
        checkpoint = find(sampling.model, LANGUAGE_MODEL)  # raises UserError before torch is imported
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from bench.encoders.loading import first_line

        self.sampling, self.batch, self.positions = sampling, sampling.concurrency, checkpoint.positions
        self.notes: list[str] = []
        self.device = devices.available()
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(
                checkpoint.path, local_files_only=True, trust_remote_code=False, padding_side="left"
            )
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                checkpoint.path,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype="auto" if self.device.type == "cuda" else torch.float32,
                output_loading_info=True,
            )
        except Exception as error:  # transformers raises many kinds for what it cannot read
            reason = first_line(error)
            raise UserError(f"model {sampling.model!r} cannot be loaded as a language model ({reason})") from error
        self.model, report = loaded
        if missing := sorted(report["missing_keys"]):
            raise UserError(
                f"model {sampling.model!r} is no whole language model: its weights lack {missing[0]} "
                f"({len(missing)} tensors in all)"
            )
        self.model.to(self.device).eval()
        plain_text = "" if self.tokenizer.chat_template else ", no chat template: it continues plain text"
        self.place = f"{self.device.type} of this machine{plain_text}"
        ends = self.model.generation_config.eos_token_id
        self.ends = {self.tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
        if self.tokenizer.pad_token_id is None:
            if self.tokenizer.eos_token is None:
                raise UserError(f"model {sampling.model!r}: its tokenizer has neither a padding token nor an end token")
            self.tokenizer.pad_token = self.tokenizer.eos_token

    async def start(self) -> None:
        """The model is loaded already."""

    async def answers(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """The answers to a batch of prompts, drawn with the seed of the first. Raises UserError for a long prompt."""
        import torch

        chat = self.tokenizer.chat_template is not None
        texts = [self._chat(prompt) if chat else plain(prompt) for prompt in prompts]
        inputs = self.tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=not chat)
        lengths = inputs["attention_mask"].sum(dim=1).tolist()
        most = self.sampling.max_tokens
        if self.positions is not None and max(lengths) + most > self.positions:
            raise UserError(
                f"a prompt of {max(lengths)} tokens and an answer of {most} do not fit into the {self.positions} "
                f"positions of model {self.sampling.model!r}; lower --max-tokens or --examples"
            )
        torch.manual_seed(prompts[0].seed)
        # With top_k 0 every token can come; without it only the 50 likeliest can, or as many as the model's files say.
        sampled = {"temperature": self.sampling.temperature, "top_p": self.sampling.top_p, "top_k": 0}
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=inputs["input_ids"].to(self.device),
                attention_mask=inputs["attention_mask"].to(self.device),
                max_new_tokens=most,
                pad_token_id=self.tokenizer.pad_token_id,
                **({"do_sample": True, **sampled} if self.sampling.temperature else {"do_sample": False}),
            )
        new = output[:, inputs["input_ids"].shape[1] :].tolist()
        return [self._answer(tokens, int(length), chat) for tokens, length in zip(new, lengths, strict=True)]

    def _chat(self, prompt: Prompt) -> str:
        messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
        try:
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except Exception:  # some templates allow no system message
            merged = [{"role": "user", "content": "\n\n".join(message["content"] for message in messages)}]
            try:
                text = self.tokenizer.apply_chat_template(merged, tokenize=False, add_generation_prompt=True)
            except Exception as error:
                from bench.encoders.loading import first_line

                why = first_line(error)
                raise UserError(f"model {self.sampling.model!r}: its chat template cannot be used ({why})") from error
        return str(text)

    def _answer(self, tokens: list[int], length: int, chat: bool) -> Answer:
        end = next((i for i, token in enumerate(tokens) if token in self.ends), None)
        used = len(tokens) if end is None else end + 1
        text = self.tokenizer.decode(tokens[:end], skip_special_tokens=True).strip()
        whole = end is not None
        if not chat and (lines := text.splitlines())[1:]:
            text, whole = lines[0].strip(), True
        return Answer(text, "stop" if whole else "length", self.sampling.model, length, used)

    async def close(self) -> None:
        """Nothing is held beyond the process."""


def plain(prompt: Prompt) -> str:
    """The prompt for a model without a chat template."""
    return "\n\n".join(message.content for message in prompt.messages) + "\n\nText:"
