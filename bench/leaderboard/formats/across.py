"""The sentences of a report on its summary over tasks, shared by Markdown and HTML."""

from __future__ import annotations

from collections.abc import Iterator

from bench.leaderboard.columns import percent
from bench.leaderboard.compare.across_tasks import LEAST_TASKS, Overall
from bench.leaderboard.formats.prose import escape
from bench.stats.verdict import ALPHA
from tasks.errors import plural


def across(group: Overall) -> str:
    """The tasks of a summary, and the settings that they share."""
    tasks = ", ".join(map(escape, group.tasks))
    settings = ", ".join(f"{key} {escape(group.spec[key])}" for key in ("source", "encoder", "preset", "protocol"))
    return f"{plural(len(group.tasks), 'task')}: {tasks} ({settings})."


def after_across(group: Overall) -> Iterator[str]:
    """The columns of a summary, what it leaves out, and its limits."""
    count = len(group.tasks)
    yield (
        "Sorted by mean Δ accuracy. **over the constant guess**: mean accuracy minus that of always answering the "
        f"most frequent class of each test ({percent(group.rows[0].majority)} % in the mean), in points. "
        "**mean rank**: mean over the tasks; 1 is best, ties share the mean of their ranks. **better, neither, "
        "worse**: on how many tasks the method has this verdict against the baseline, corrected "
        + ("over the whole report." if group.rules.family == "report" else "per task.")
        + of_mean(group)
    )
    if not all(row.core for row in group.rows):
        yield (
            "†: exploratory on some task. Its verdicts are not corrected, so among many such methods of no effect some "
            "are *better* somewhere by chance."
        )
    if group.rules.family == "task":
        yield per_task(count)
    if group.left_out:
        names = "; ".join(
            f"{escape(label)} ({', '.join(map(escape, tasks))})" for label, tasks in group.left_out.items()
        )
        yield f"Not ranked, because a task has no complete result that can be compared: {names}."
    if group.omitted:
        names = ", ".join(map(escape, group.omitted))
        yield f"Not included, because several sections of the task could represent it: {names}."
    if group.uninformative:
        names = ", ".join(map(escape, group.uninformative))
        yield f"Not included, because their sections are not informative: {names}."
    claim = (
        f"With only {plural(count, 'task')}, do not generalise to others."
        if count < LEAST_TASKS
        else "These tasks are not a random sample of all tasks, so do not generalise to others."
    )
    if group.sharing:
        yield shared_tests(group)
        yield f"*Ranks describe these tasks only. {claim}*"
        return
    yield (
        f"*Intervals are for new seeds and test rows of these {plural(count, 'task')}, and ranks describe these "
        f"tasks only. {claim}*"
    )


def of_mean(group: Overall) -> str:
    """What a verdict on the mean is; nothing where there is none."""
    if group.sharing:
        return ""
    looks = ", and over all combinations of planned looks at which the tasks may stop" if group.looks else ""
    return f" **verdict on the mean**: of the mean Δ, corrected over the core methods of this table{looks}."


def shared_tests(group: Overall) -> str:
    """Why there is no verdict on the mean."""
    return (
        f"**{', '.join(map(escape, group.sharing))} are tested on the same rows, or on draws from the same rows, so "
        "their differences are not independent: the mean Δ has no interval, p or verdict, and ranks are not tested.**"
    )


def per_task(count: int) -> str:
    """How often a report on so many tasks has a false verdict if each task is corrected for itself."""
    chance = 100 * (1 - (1 - ALPHA) ** count)
    return (
        f"Verdicts are corrected per task. If no method differed from the baseline, up to {chance:.0f} % of tables of "
        f"{plural(count, 'task')} would have a false *better* or *worse* of a core method against it. Information "
        "gains, the mean, the best group and the advice are families of their own. `--family report` corrects verdicts "
        "and information gains over all sections."
    )
