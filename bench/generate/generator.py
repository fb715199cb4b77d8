"""Asks a backend until every label has its rows, the budget is reached, or nothing new comes."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from bench.errors import UserError
from bench.generate.answers import AnswerOutcome, Parsed, parsed
from bench.generate.backends import Answer, Backend
from bench.generate.journal import Journal, Record
from bench.generate.known_texts import key_of
from bench.generate.prompts import Asked
from bench.generate.request import GenerateRequest
from bench.generate.spending import Spending, Tokens, most_tokens
from tasks.errors import join_names, plural

BARREN = 50  # answers of a label in a row without a new row, after which it is given up
FAILURES = 5  # requests in a row that failed in spite of all repetitions, after which the run stops
INTERVAL = 10.0  # seconds between two lines of progress


@dataclass(frozen=True)
class InWork:
    """A prompt that was sent, and the most tokens that it may use."""

    asked: Asked
    most: Tokens


class Generator:
    """One run: what was asked, what came, and why it stopped."""

    def __init__(
        self, request: GenerateRequest, backend: Backend, journal: Journal, say: Callable[[str], None]
    ) -> None:
        self.request, self.backend, self.journal, self.say = request, backend, journal, say
        self.spending = Spending(request.prices, request.budget)
        self.rows, self.in_work, self.barren = Counter[str](), Counter[str](), Counter[str]()
        self.outcomes = Counter[AnswerOutcome]()
        self.failed, self.failures_in_a_row, self.cleaned = 0, 0, 0
        self.stopped = ""  # why the run ends before it is complete
        self.started, self.shown, self.before = time.monotonic(), time.monotonic(), 0
        recorded: set[tuple[str, int]] = set()
        for record in journal.records:
            recorded.add((record.label, record.number))
            self._count(record)
        self.before = self.rows.total()
        self.numbers = {label: self._open_numbers(label, recorded) for label in request.quotas}
        for label, quota in request.quotas.items():
            if self.rows[label] > quota:
                raise UserError(
                    f"{request.output} has {self.rows[label]:,} rows of {label!r} already, and --n {self.wanted} asks "
                    f"for {quota:,}; choose another --to"
                )

    @property
    def wanted(self) -> int:
        """The number of rows of the whole file."""
        return sum(self.request.quotas.values())

    @property
    def complete(self) -> bool:
        """Whether every label has its rows."""
        return self.rows.total() == self.wanted

    async def run(self) -> None:
        """Ask until the run is complete or stops. Raises UserError for what no further request would fix."""
        if self.complete:
            return
        await self.backend.start()
        waiting: dict[asyncio.Task[list[Answer]], list[InWork]] = {}
        try:
            while True:
                while len(waiting) < self.backend.parallel and (batch := self._batch()):
                    prompts = [sent.asked.prompt for sent in batch]
                    waiting[asyncio.create_task(self.backend.answers(prompts))] = batch
                if not waiting:
                    self.stopped = "; ".join(filter(None, [self.stopped, self._given_up()]))
                    return
                done, _ = await asyncio.wait(waiting, timeout=INTERVAL, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._take(waiting.pop(task), task)
                self._show_progress()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await self.backend.close()

    def _batch(self) -> list[InWork]:
        """The next prompts to send together; empty if there are none now."""
        batch: list[InWork] = []
        while not self.stopped and len(batch) < self.backend.batch and (label := self._neediest()):
            asked = self.request.prompts.make(label, next(self.numbers[label]))
            most = most_tokens(asked.prompt, self.request.sampling.max_tokens)
            if not self.spending.reserve(most):
                self.numbers[label] = itertools.chain([asked.number], self.numbers[label])
                if not batch and not self.in_work.total():
                    self.stopped = "the budget is reached: another request could exceed it; a larger --budget continues"
                break
            self.in_work[label] += 1
            batch.append(InWork(asked, most))
        return batch

    def _neediest(self) -> str | None:
        """The label with the smallest part of its rows, those in work included; None if none needs more."""
        quotas = self.request.quotas
        parts = {
            label: (self.rows[label] + self.in_work[label]) / quota
            for label, quota in quotas.items()
            if self.rows[label] + self.in_work[label] < quota and self.barren[label] < BARREN
        }
        return min(parts, key=parts.__getitem__) if parts else None

    @staticmethod
    def _open_numbers(label: str, recorded: set[tuple[str, int]]) -> Iterator[int]:
        """The numbers of a label's prompts that have no answer yet."""
        return (number for number in itertools.count() if (label, number) not in recorded)

    def _take(self, batch: list[InWork], task: asyncio.Task[list[Answer]]) -> None:
        """Note the answers to a batch. Raises what the backend raised."""
        for sent in batch:
            self.in_work[sent.asked.label] -= 1
        records = [
            record
            for sent, answer in zip(batch, task.result(), strict=True)
            if (record := self._record(sent, answer)) is not None
        ]
        self.journal.add(records)

    def _record(self, sent: InWork, answer: Answer) -> Record | None:
        """The record of an answer; None if none came."""
        used = self.spending.settle(sent.most, answer)
        if answer.failure:
            self.failed += 1
            self.failures_in_a_row += 1
            if self.failures_in_a_row >= FAILURES:
                self.stopped = (
                    f"{FAILURES} requests in a row failed in spite of repetitions, the last with: {answer.failure}; "
                    "the same command continues from here"
                )
            return None
        self.failures_in_a_row = 0
        found = parsed(answer, pair=self.request.prompts.pair)
        outcome = found.outcome
        if outcome is AnswerOutcome.ROW:
            outcome = self.request.known.check(key_of(found.text, found.text_pair))
        row = self._row(sent.asked, answer, found, used) if outcome is AnswerOutcome.ROW else None
        record = Record(
            label=sent.asked.label,
            number=sent.asked.number,
            outcome=outcome,
            answer=(answer.refusal or answer.text).encode(errors="replace").decode(),  # half a character is no UTF-8
            tokens_in=used.read,
            tokens_out=used.written,
            estimated=answer.tokens is None,
            row=row,
        )
        self._tally(record)
        self.barren[record.label] = 0 if row else self.barren[record.label] + 1
        return record

    def _row(self, asked: Asked, answer: Answer, found: Parsed, used: Tokens) -> dict[str, object]:
        """A row of the file: text, label, and where it comes from."""
        pair = {} if found.text_pair is None else {"text_pair": found.text_pair}
        return {
            "text": found.text,
            **pair,
            "label": asked.label,
            "prompt_id": asked.id,
            "template": self.request.prompts.template,
            "attributes": dict(asked.attributes),
            "examples": list(asked.examples),
            "prompt_seed": asked.prompt.seed,
            "backend": self.request.backend,
            "model": answer.model,
            "finish_reason": answer.finish_reason,
            "tokens_in": used.read,
            "tokens_out": used.written,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def _count(self, record: Record) -> None:
        """Count a record of an earlier run."""
        self.spending.spent += Tokens(record.tokens_in, record.tokens_out)
        self.spending.estimated += record.estimated
        self._tally(record)
        if record.row:
            self.request.known.add([key_of(record.row["text"], record.row.get("text_pair"))], AnswerOutcome.REPEATED)

    def _tally(self, record: Record) -> None:
        self.outcomes[record.outcome] += 1
        if record.row:
            self.rows[record.label] += 1
            self.cleaned += record.answer.strip() != record.row["text"] and "text_pair" not in record.row

    def _given_up(self) -> str:
        """Which labels were given up, and what helps; empty if none was."""
        labels = [repr(label) for label in self.request.quotas if self.barren[label] >= BARREN]
        if not labels:
            return ""
        each = "each of " if len(labels) > 1 else ""
        return (
            f"the last {BARREN} answers for {each}{join_names(labels)} gave no new row; the rows so far can be used as "
            "they are; a higher --temperature, other --attributes or --describe may help in a new file (--to)"
        )

    def _show_progress(self) -> None:
        now = time.monotonic()
        if now - self.shown >= INTERVAL:
            self.shown = now
            new = self.rows.total() - self.before
            left = (self.wanted - self.rows.total()) * (now - self.started) / new if new else None
            remaining = "" if left is None else f"; about {left / 60:.0f} min left"
            again = f"; {plural(self.backend.sent_again, 'request')} sent again" if self.backend.sent_again else ""
            self.say(f"{self.rows.total():,} of {self.wanted:,} rows; {self.spending}{again}{remaining}")

    def summary(self) -> Iterator[str]:
        """The lines at the end: rows by label, answers without a row, tokens and cost, and why it stopped."""
        counts = join_names(f"{label} {self.rows[label]:,}" for label in self.request.quotas)
        yield f"{self.rows.total():,} of {self.wanted:,} rows ({counts}), {self.before:,} of them from before"
        lost = [f"{count:,} {kind}" for kind, count in self.outcomes.items() if kind is not AnswerOutcome.ROW]
        if lost:
            yield f"answers that gave no row: {', '.join(lost)}"
        if self.cleaned:
            yield f"quotation marks, code fences or thoughts were taken off {plural(self.cleaned, 'answer')}"
        estimated = f"; the most possible was counted for {self.spending.estimated:,} answers without token counts"
        yield f"{self.spending}{estimated if self.spending.estimated else ''}"
        if self.backend.sent_again or self.failed:
            yield (
                f"{plural(self.backend.sent_again, 'request')} sent again (rate limit, server error, time-out or "
                f"broken connection), {self.failed:,} without an answer in the end; what a server may charge for these "
                "is not counted"
            )
        yield from self.backend.notes
        if dropped := self.in_work.total():
            yield f"{plural(dropped, 'prompt')} in work dropped; the next run asks again"
        if self.stopped:
            yield f"stopped: {self.stopped}"
