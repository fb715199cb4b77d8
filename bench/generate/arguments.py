"""The options of `bench generate` in one table."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bench.config.option import DATA, OUTPUT, option

WHAT, MODEL, COST = "Texts", "Model", "Cost"


@dataclass(frozen=True)
class GenerateArguments:
    """The options as they are typed."""

    labels: str | None = field(default=None, metadata=option(WHAT, "The labels, separated by commas: pos,neg."))
    domain: str | None = field(default=None, metadata=option(WHAT, 'The kind of texts, in words: "tweets".'))
    n: int = field(default=1000, metadata=option(WHAT, "Number of rows.", min=1))
    describe: str | None = field(
        default=None, metadata=option(WHAT, 'What labels mean: "pos=a happy mood,neg=an unhappy mood".')
    )
    shares: str | None = field(
        default=None, metadata=option(WHAT, 'Shares of the labels: "pos=0.7,neg=0.3" (default: equal).')
    )
    pair: bool = field(default=False, metadata=option(WHAT, "Generate pairs of texts: columns text and text_pair."))
    attributes: str | None = field(
        default=None,
        metadata=option(
            WHAT,
            "A YAML file of attributes with values, of which each prompt asks for one: topic: [travel, food]; or none "
            "(default: length, style, writer, start, content).",
        ),
    )
    seed: int = field(default=0, metadata=option(WHAT, "Seed of attributes, examples and sampling."))
    few_shot: str | None = field(
        default=None,
        metadata=option(DATA, "Real rows of which prompts show some as examples (default: zero-shot prompts)."),
    )
    examples: int = field(default=3, metadata=option(DATA, "Examples in a prompt, all of its label.", min=1))
    real: str | None = field(
        default=None,
        metadata=option(DATA, "Real rows, which generated rows must not repeat (default: those of --few-shot)."),
    )
    test: str | None = field(
        default=None,
        metadata=option(DATA, "Test rows, which generated rows must not repeat. No prompt shows one."),
    )
    text: str | None = field(default=None, metadata=option(DATA, "The column of texts in these files."))
    text_pair: str | None = field(default=None, metadata=option(DATA, "The column of second texts."))
    label: str | None = field(default=None, metadata=option(DATA, "The column of labels in the file of --few-shot."))
    backend: str = field(
        default="openai",
        metadata=option(MODEL, "openai (any server with that API) or transformers (a model on this machine)."),
    )
    model: str | None = field(
        default=None, metadata=option(MODEL, "The model: a name that the server knows, or a folder or hub id.")
    )
    base_url: str | None = field(
        default=None, metadata=option(MODEL, "The server, such as http://localhost:8000/v1 (default: OpenAI's).")
    )
    temperature: float = field(default=1.0, metadata=option(MODEL, "Temperature of sampling.", min=0, max=2))
    top_p: float = field(
        default=1.0,
        metadata=option(
            MODEL, "Sample only from the most likely tokens that together have this probability.", min=0, max=1
        ),
    )
    max_tokens: int = field(
        default=256, metadata=option(MODEL, "Tokens of an answer; one that is cut there is no row.", min=1)
    )
    concurrency: int = field(
        default=8, metadata=option(MODEL, "Requests at the same time; with transformers, the batch size.", min=1)
    )
    timeout: float = field(default=60.0, metadata=option(MODEL, "Seconds that a server has for an answer.", min=0.01))
    price_in: float | None = field(
        default=None, metadata=option(COST, "Price of a million tokens read; no price is assumed.", min=0)
    )
    price_out: float | None = field(default=None, metadata=option(COST, "Price of a million tokens written.", min=0))
    budget: str | None = field(
        default=None,
        metadata=option(
            COST,
            'No request is sent that could exceed it: money ("5", needs prices) or tokens ("200000 tokens"). Earlier '
            "runs that began the file count.",
        ),
    )
    to: Path = field(default=Path("generated.jsonl"), metadata=option(OUTPUT, "The file to write, JSON lines."))
    dry_run: bool = field(
        default=False,
        metadata=option(
            OUTPUT, "Show a prompt of each label and the largest cost if every answer gives a row; send nothing."
        ),
    )
