"""`bench list`: lists methods, tasks, engines and cells. Imports no torch and reads no data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import methods as registry
from bench.errors import UserError
from bench.leaderboard.method_facts import facts
from bench.store.files import read_json
from bench.store.find import differences, in_brackets, method_title, ran
from bench.store.folders import State, failure, state, state_word
from bench.store.layout import DONE, SPEC
from bench.store.manifest import last_runs, no_results
from bench.store.schemas import Metrics, NamedSpec
from methods.base import MethodConfig, WeightConfig
from methods.hooks import Budget
from tasks import AXES, TaskSpec, load_spec, task_names


def methods() -> Iterator[str]:
    """Per method what it is, when it fails, and a line per hyper-parameter. Those that all methods share come last."""
    shared = {entry.name: entry for config in (MethodConfig, WeightConfig) for entry in fields(config)}
    for name, cls in registry.discover().items():
        config = cls.Config()
        known = facts(name)
        groups = ", ".join(membership(name, entry) for entry in cls.groups) or "-"
        yield f"{name}: {known.idea.partition(chr(10))[0]}"
        cost = cls.declared_cost(config, Budget())
        work = f"training without its checkers: {cost:.3g} x that of ce"
        yield f"    groups: {groups}; use of real rows: {cls.real_use_of(config)}; {work}"
        if known.fails:
            yield f"    fails: {known.fails[0].lower()}{known.fails[1:]}"
        yield from (f"    {setting(entry)}" for entry in fields(config) if entry.name not in shared)
    yield "hyper-parameters of every method (shuffle: of methods that weight cross-entropy):"
    yield from (f"    {setting(entry)}" for entry in shared.values())
    yield "our results, in the repository: docs/human-data.md, docs/methods.md, docs/recommended.md"


def membership(method: str, group: str) -> str:
    """A group of a method, with the settings that the method has in it."""
    settings = ", ".join(f"{key}={value}" for key, value in registry.group(group)[method].items())
    return f"{group} with {settings}" if settings else group


def setting(entry: Field[Any]) -> str:
    """A hyper-parameter with its default, its note and the range from which protocol `tuned` draws."""
    search = entry.metadata.get("search")
    between = f"; tuned within {search}" if search else ""
    return f"{entry.name}={entry.default}: {entry.metadata.get('note', '')}{between}"


def tasks() -> Iterator[str]:
    """A line per task with labels and options, one per source with whose text it is, and one per axis of stress."""
    for name in task_names():
        spec = load_spec(name)
        kind = "pairs, " if spec.pair else ""
        yield f"{name}: {spec.title} ({kind}{', '.join(spec.labels)})"
        for source in spec.sources:
            yield from source_lines(spec, source)
        if spec.process:
            yield "    no source: rows are drawn from a known distribution"
            yield f"        licence: {spec.licence}"
            yield f"        citation: {spec.citation}"
        yield from (f"    [{option}=...]: {entry.meaning}" for option, entry in spec.options.items())
    yield "options of every task, to stress the methods, as in twitter[noise=0.2,real=100]:"
    yield from (f"    {name}: {axis.meaning}" for name, axis in AXES.items())


def source_lines(spec: TaskSpec, source: str) -> Iterator[str]:
    """Whose text the rows of a source are, how many there are, under which licence, and whom to cite."""
    block, usable = spec.sources[source], spec.complete_sources()
    use = "" if source in usable else f" (not enough for a run: give --source {' or '.join(usable)})"
    rows = ", ".join(f"{count:,} {role}" for role, count in block.rows.items())
    yield f"    {source}: {block.about}{use}"
    yield f"        rows: {rows or 'counted when they are read'}"
    yield f"        licence: {block.licence or spec.licence}"
    yield f"        citation: {block.citation or spec.citation}"


def engines() -> Iterator[str]:
    """A line per engine with what it is, and one per setting with its default."""
    from bench.execution.engines import AUTO, available

    yield f"{AUTO}: torchrun where it started this process, else local"
    for name, cls in available().items():
        yield f"{name}: {(cls.__doc__ or '').strip().partition(chr(10))[0]}"
        yield from (f"    {entry.name}={entry.default}: {entry.metadata.get('note', '')}" for entry in fields(cls))  # type: ignore[arg-type]


def cells(root: Path, failed: bool) -> Iterator[str]:
    """A line per cell of a store: state, folder, accuracy or cause of failure; one line if there is none.

    Raises UserError without a folder.
    """
    if not root.is_dir():
        raise no_results(root)
    lines = cell_lines(root, failed)
    yield next(lines, f"no {'failed ' * failed}cell in {root}")
    yield from lines


def cell_lines(root: Path, failed: bool) -> Iterator[str]:
    """`cells`, and nothing if there is none. Cells of one title have what they differ in, and when they were run."""
    folders = sorted((path.parent for path in root.glob(f"[!.]*/*/*/{SPEC}")), key=lambda folder: folder.parts)
    states, specs = dict[Path, State](), dict[Path, dict[str, Any]]()
    details, problems = dict[Path, str](), dict[Path, str]()
    for folder in folders:
        contents: dict[str, bytes] = {}  # what a state was found from is not read again
        states[folder] = state(folder, contents)
        try:
            specs[folder] = read_json(folder / SPEC, NamedSpec, contents.get(SPEC))
            details[folder] = detail(folder, states[folder], contents)
        except (UserError, OSError) as error:
            problems[folder] = str(error)
    apart = told_apart(root, specs)
    for folder, present in states.items():
        if not failed or present is State.FAILED:
            words = problems.get(folder) or f"{seed_title(specs[folder])}{apart[folder]}{details[folder]}"
            yield f"{state_word(folder, present):10} {folder}  {words}"


def told_apart(root: Path, specs: Mapping[Path, Mapping[str, Any]]) -> dict[Path, str]:
    """Of each cell, what it differs in from others of its title: ` (lr 0.001, last run ...)`; mostly empty."""
    alike = defaultdict[str, list[Path]](list)
    for folder, spec in specs.items():
        alike[seed_title(spec)].append(folder)
    words = dict.fromkeys(specs, "")
    groups = [folders for folders in alike.values() if len(folders) > 1]
    runs = last_runs(root) if groups else {}
    for group in groups:
        found = differences([specs[folder] for folder in group])
        words |= {folder: in_brackets(text, ran(folder, runs)) for folder, text in zip(group, found, strict=True)}
    return words


def seed_title(spec: Mapping[str, Any]) -> str:
    """What a cell is called in the list: `twitter ce seed 0`."""
    return f"{method_title(spec)} seed {spec['seed']}"


def detail(folder: Path, present: State, contents: Mapping[str, bytes]) -> str:
    """The accuracy of a finished cell, the cause of a failed one."""
    if present is State.DONE:
        accuracy = read_json(folder / DONE, Metrics, contents.get(DONE)).get("accuracy")
        return "" if accuracy is None else f"  accuracy {accuracy:.4f}"
    if present is State.FAILED:
        return f"  {failure(folder)}"
    return ""
