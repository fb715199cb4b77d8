"""`bench generate`: a file of labelled texts that a language model writes, ready for `bench run --generated`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from bench.commands.output_file import writable
from bench.generate.arguments import GenerateArguments
from bench.generate.backends import BACKENDS
from bench.generate.generator import Generator
from bench.generate.journal import Journal
from bench.generate.request import GenerateRequest, make_request
from bench.generate.spending import Tokens, most_tokens


def generate(arguments: GenerateArguments, say: Callable[[str], None]) -> bool:
    """Generate the missing rows of a file; returns whether it is complete. Raises UserError or DataError."""
    request = make_request(arguments)
    for note in request.notes:
        say(note)
    if arguments.dry_run:
        for line in shown(request):
            say(line)
        return True
    writable(request.output)
    with Journal(request.output, request.settings) as journal:
        if journal.dropped:
            say(
                f"{journal.path}: a line that was cut off ({journal.dropped:,} bytes) is dropped; its prompt is asked "
                "again"
            )
        backend = BACKENDS[request.backend](request.sampling)
        generator = Generator(request, backend, journal, say)
        say(
            f"{generator.wanted - generator.before:,} rows to generate with {request.sampling.model} "
            f"({request.backend}, {backend.place}); prompts {request.prompts.template}"
        )
        try:
            asyncio.run(generator.run())
        finally:
            # Also after Ctrl-C or an error: the rows so far are a file of their own right.
            any_rows = journal.write_output()
            for line in generator.summary():
                say(line)
            if any_rows:
                say(f"rows: {request.output}; every answer: {journal.path}")
    return generator.complete


def shown(request: GenerateRequest) -> Iterator[str]:
    """The first prompt of each label, and the most that all rows can use if every answer gives one."""
    total = Tokens()
    for label, quota in request.quotas.items():
        asked = request.prompts.make(label, 0)
        yield f"--- prompt {asked.id} ({request.prompts.template}), one of {quota:,}"
        for message in asked.prompt.messages:
            yield f"[{message.role}] {message.content}"
        for number in range(quota):
            total += most_tokens(request.prompts.make(label, number).prompt, request.sampling.max_tokens)
    cost = request.prices.cost(total)
    money = "" if cost is None else f", cost {cost:,.2f} at the given prices"
    yield (
        f"--- at most about {total.read:,} tokens read and {total.written:,} written{money}, if every answer gives a "
        "row; usual answers use far fewer"
    )
