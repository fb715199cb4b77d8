"""`leaderboard.tex`: a table per section with booktabs, to be read into a paper by `\\input`."""

from __future__ import annotations

import re
from typing import Any

from bench.leaderboard.columns import COLUMNS, Room, percent, shown
from bench.leaderboard.results import Section, Table

HEAD = """\
% Needs \\usepackage[T1]{fontenc} and \\usepackage{booktabs,graphicx}.
% Differences: 95 % intervals for new seeds and new test examples."""
SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "–": "--",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
    "`": r"\textasciigrave{}",
    "Δ": r"$\Delta$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def escape(text: Any) -> str:
    """Text that LaTeX shows as it is; a minus before a number becomes one."""
    plain = " ".join(str(text).split())
    shown = re.sub(r"""[\\~^<>|"`–†‡Δ&%$#_{}]""", lambda match: SPECIAL[match[0]], plain)
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", shown)


def as_tex(table: Table) -> str:
    """All sections; the first line says which packages they need."""
    return "\n\n".join([HEAD, *(section_tex(section) for section in table.sections)]) + "\n"


def section_tex(section: Section) -> str:
    """One table, as wide as the text."""
    printed = shown(COLUMNS, section.rows, Room.PAPER)
    columns = "".join("r" if column.numeric else "l" for column in printed)
    lines = [" & ".join(escape(column.title) for column in printed)]
    lines += [" & ".join(escape(column.render(row)) for column in printed) for row in section.rows]
    head, *body = [f"{line} \\\\" for line in lines]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{caption(section)}}}",
            r"\centering",
            r"\resizebox{\textwidth}{!}{%",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        ]
    )


def caption(section: Section) -> str:
    """What the rows have in common."""
    spec = section.spec
    stand_in = "no human text: " if spec["stand_in"] else ""
    fitted = any(row.spec.get("selection") == "fitted" for row in section.rows)
    both = " ‡ real rows that both fit and select." if fitted else ""
    seeds = f"{len(spec['seeds'])} seed{'s' if len(spec['seeds']) > 1 else ''}"
    told = (
        f"{spec['title']} ({spec['task_ref']}; {stand_in}source {spec['source']}): {spec['encoder']}, preset "
        f"{spec['preset']}, protocol {spec['protocol']}, {seeds}, majority class "
        f"{percent(spec['majority'])} %. † exploratory, not corrected." + both
    )
    return escape(told)
