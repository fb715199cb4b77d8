"""A run in rounds: after each planned look, only the methods without a verdict get further seeds."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.config.request import Request
from bench.errors import UserError
from bench.execution import engines
from bench.execution.grid import Options, Result, run
from bench.execution.progress import Say, Show
from bench.planning.describe import encoders
from bench.planning.plan import Plan
from bench.planning.planner import sections_of
from bench.stats.looks import FEWEST, planned_looks
from tasks.errors import plural

MOST = 10  # seeds, where --max-seeds is not given
WORDS = ("better", "worse", "equivalent")  # verdicts that decide


@dataclass
class TableInRounds:
    """One table of the report: its request, and at how many seeds each method stopped; others are undecided.

    `silent`: why the table has no verdicts at the last look; empty if it has.
    """

    request: Request  # one task, encoder and protocol
    stopped: dict[str, int] = field(default_factory=dict)  # label -> seeds
    words: dict[str, str] = field(default_factory=dict)  # label -> verdict, or why there is none
    silent: tuple[str, ...] = ()

    def undecided(self, baseline: str) -> list[str]:
        """The labels of the methods that go on. The baseline goes on as long as another method does."""
        labels = [choice.label for choice in self.request.methods]
        return [label for label in labels if label not in self.stopped and label != baseline]

    def requests(self, count: int, baseline: str) -> list[Request]:
        """The cells up to a look with `count` seeds: each method with its own number of seeds."""
        going = self.undecided(baseline)
        last = count if going else max(self.stopped.values(), default=count)
        seeds = {choice.label: self.stopped.get(choice.label, last) for choice in self.request.methods}
        return [
            replace(
                self.request,
                methods=tuple(choice for choice in self.request.methods if seeds[choice.label] == number),
                seeds=tuple(range(number)),
            )
            for number in sorted(set(seeds.values()), reverse=True)
        ]


def run_request(request: Request, options: Options, say: Say, show: Show = contextlib.nullcontext) -> Result:
    """Run a grid, in rounds where --until-decided asks for it. Raises what `grid.run` raises."""
    if options.until_decided and options.save_models == "best":
        raise UserError("--save-models best is for a run without --until-decided, whose rounds advise differently")
    if options.until_decided:
        return in_rounds(request, replace(options, until_decided=False), say, show)
    if options.max_seeds is not None:
        raise UserError("--max-seeds is for --until-decided; without it, --seeds is the number of seeds")
    return run(request, options, say, show)


def in_rounds(request: Request, options: Options, say: Say, show: Show) -> Result:
    """Run a grid until each method has a verdict against the baseline, or --max-seeds seeds.

    Verdicts are read at `bench.stats.looks.planned_looks` only, each with its share of the error rate. A method with a
    failed cell stops too: it gets no verdict. A table that is not informative goes on, as more seeds may change that.
    Raises UserError before anything trains.
    """
    most = MOST if options.max_seeds is None else options.max_seeds
    looks = looks_of(request, options, most)
    request = replace(request, looks=looks, seeds=tuple(range(most)))
    say(f"looks at {', '.join(map(str, looks))} seeds; a method whose verdict stands gets no more")
    if options.dry_run:
        say(f"at most, if nothing is decided before {most} seeds:")
        return run(request, options, say, show)
    tables = tables_of(request, options)
    baseline = options.rules.baseline
    for count in looks:
        requests = [one for table in tables.values() for one in table.requests(count, baseline)]
        result = run(requests, options, say, show)
        if result.interrupted or (options.fail_fast and result.failures):
            return result
        options = replace(options, retry_failed=False)  # what has failed again in this command stays failed
        stop(tables, result, options, count)
        for key, table in tables.items():
            say(f"{' '.join(key[:2])}: {table_line(table, count, baseline)}")
        if not any(table.undecided(baseline) for table in tables.values()):
            break
        if result.closed and count != looks[-1]:
            return replace(result, interrupted=True)
    say(saving(tables, most, baseline))
    return result


def looks_of(request: Request, options: Options, most: int) -> tuple[int, ...]:
    """The planned looks. Raises UserError for a request without a baseline, and where looks cannot be taken."""
    from bench.leaderboard.informative import of_smoke_test  # only rounds need statistics before anything is trained

    if most < FEWEST:
        raise UserError(f"--until-decided needs --max-seeds {FEWEST} or more, not {most}")
    if request.seeds_given and request.seeds != tuple(range(most)):
        raise UserError("--until-decided counts seeds from 0: use --max-seeds in place of --seeds and --seed")
    if request.settings.vary is not None:
        raise UserError("--until-decided reads verdicts on all sources of variation together; leave out vary")
    if options.force:
        raise UserError("--until-decided cannot tell old cells from new ones under --force; use another --out")
    if request.limit is not None:
        raise UserError("--until-decided reads verdicts, and --limit is a smoke run without any; leave out one of them")
    if not engines.chosen(options.engine, options.engine_set).rounds:
        raise UserError("--until-decided runs on worker processes only, not under torchrun")
    labels = [choice.label for choice in request.methods]
    if options.rules.baseline not in labels:
        raise UserError(f"--until-decided needs the baseline {options.rules.baseline} among the methods")
    if len(labels) < 2:
        raise UserError(f"--until-decided needs a method to compare with {options.rules.baseline}")
    if of_smoke_test(request.preset, request.settings.updates):
        raise UserError("--until-decided reads verdicts, and these settings are those of a smoke test without any")
    return planned_looks(most)


def tables_of(request: Request, options: Options) -> dict[tuple[str, ...], TableInRounds]:
    """The tables of the report by `key_of` their sections, each with a request of its own."""
    plan = Plan(Path(os.path.realpath(options.out)), [request])
    tables: dict[tuple[str, ...], TableInRounds] = {}
    for encoder in request.encoders:
        for section in sections_of(replace(request, encoders=(encoder,)), plan):
            own = replace(
                request,
                tasks=(section.task,),
                encoders=(encoder,),
                protocols=(section.protocol,),
                methods=section.request.methods,
                left_out=section.request.left_out,
            )
            names = {"task_ref": section.task.label, "protocol": section.protocol.label, "source": section.data.source}
            spec = {**names, **encoders(section, section.checkers.checkpoint)}
            tables.setdefault(key_of(spec), TableInRounds(own))
    return tables


def key_of(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """The task, protocol, source and models of a section of the manifest."""
    models = (str(spec[name]) for name in ("encoder_hash", "checker_encoder_hash", "given_checkers"))
    return spec["task_ref"], spec["protocol"], spec["source"], *models


def stop(tables: Mapping[tuple[str, ...], TableInRounds], result: Result, options: Options, count: int) -> None:
    """Stop the methods that have a verdict after `count` seeds, and those that can get none.

    Where the table is not informative no method has a verdict, and further seeds may give it one, unless the settings
    are those of a smoke test.
    """
    from bench.leaderboard.build import build
    from bench.leaderboard.informative import of_smoke_test

    for section in build(result.manifest, result.store, options.rules).sections:
        table = tables.get(key_of(section.spec))
        if table is None:
            raise UserError("an encoder or a checker of this run was changed while it ran; run the same command again")
        table.silent = section.uninformative
        going = table.undecided(options.rules.baseline)
        hopeless = of_smoke_test(section.spec["preset"], section.spec["settings"].get("updates"))
        for row in section.rows:
            paired = row.paired
            if row.label not in going or paired is None:
                continue
            lacking = paired.match.withheld if paired.match and not hopeless else paired.withheld
            if lacking or not (section.uninformative or paired.verdict.word == "undecided"):
                table.stopped[row.label] = count
                table.words[row.label] = lacking or paired.verdict.word


def table_line(table: TableInRounds, count: int, baseline: str) -> str:
    """`look at 5 seeds: dimp better, focal equivalent (at 3 seeds); undecided: gce`, or why there is no verdict."""
    decided = [
        f"{label} {table.words[label]}" + (f" (at {seeds} seeds)" if seeds < count else "")
        for label, seeds in table.stopped.items()
    ]
    going = table.undecided(baseline)
    silent = f"not informative: {'; '.join(table.silent)}" if table.silent else ""
    said = "; ".join(filter(None, [silent, ", ".join(decided)])) or "no verdict"
    return f"look at {count} seeds: {said}; undecided: {', '.join(going) or 'none'}"


def saving(tables: Mapping[tuple[str, ...], TableInRounds], most: int, baseline: str) -> str:
    """The last line: how many cells were needed, against a fixed number of seeds."""
    used, fixed, compared, decided, undecided = 0, 0, 0, 0, 0
    for table in tables.values():
        seeds = [table.stopped.get(choice.label, most) for choice in table.request.methods if choice.label != baseline]
        used += sum(seeds) + max(seeds)
        fixed += most * len(table.request.methods)
        compared += len(seeds)
        if not table.silent:
            decided += sum(word in WORDS for word in table.words.values())
            undecided += len(table.undecided(baseline))
    lacking = compared - decided - undecided
    said = [f"{decided} of {plural(compared, 'method')} decided"]
    said += [f"{count} {text}" for count, text in ((undecided, "undecided"), (lacking, "without a verdict")) if count]
    return (
        f"{', '.join(said)}; {used:,} of the {fixed:,} cells that {most} "
        f"seeds for every method take: {fixed - used:,} saved ({100 * (fixed - used) / fixed:.0f} %)"
    )
