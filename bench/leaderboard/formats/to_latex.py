"""`leaderboard.tex`: a table per section with booktabs, for a paper that reads it by `\\input`."""

from __future__ import annotations

import re
from typing import Any

from bench.leaderboard.columns import Room, percent, section_columns
from bench.leaderboard.results import Report, Section
from bench.leaderboard.rules import Rules
from tasks.errors import plural, printable

HEAD = """\
% Needs \\usepackage[T1]{fontenc} and \\usepackage{booktabs,graphicx}.
% Differences: intervals for new seeds and new test rows; simultaneous: all of a family hold together."""
OTHER = re.compile("[^\x00-\u017f\u2010-\u2026]")  # letters that pdfLaTeX has not with T1 alone
OTHER_SCRIPTS = "% Names have letters of other scripts: compile with LuaLaTeX or XeLaTeX and a font that has them."
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


def escape_tex(value: Any) -> str:
    """Text that LaTeX shows as it is; a hyphen before a number becomes a minus."""
    line = " ".join(printable(str(value)).split())
    text = re.sub(r"""[\\~^<>|"`–†‡Δ&%$#_{}]""", lambda match: SPECIAL[match[0]], line)
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", text)


def as_tex(report: Report) -> str:
    """A table per section, after a comment that names the LaTeX packages they need."""
    tables = [section_tex(section, report.rules) for section in report.sections]
    scripts = [OTHER_SCRIPTS] if any(map(OTHER.search, tables)) else []
    return "\n\n".join(["\n".join([HEAD, *scripts]), *tables]) + "\n"


def section_tex(section: Section, rules: Rules) -> str:
    """One table, as wide as the text."""
    printed = section_columns(section, Room.PAPER)
    columns = "".join("r" if column.numeric else "l" for column in printed)
    lines = [" & ".join(escape_tex(column.title) for column in printed)]
    lines += [" & ".join(escape_tex(column.render(row)) for column in printed) for row in section.rows]
    head, *body = [f"{line} \\\\" for line in lines]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{caption(section, rules)}}}",
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


def caption(section: Section, rules: Rules) -> str:
    """What the rows have in common, and what the signs mean."""
    spec = section.spec
    stand_in = "; stand-in data, no human text" if spec["stand_in"] else ""
    apart = f", {', '.join(section.axes)}" if section.axes else ""
    silent = f" Not informative: {'; '.join(section.uninformative)}." if section.uninformative else ""
    fitted = any(row.spec.get("selection") == "fitted" for row in section.rows)
    seeds, majority = plural(len(spec["seeds"]), "seed"), percent(spec["majority"])
    signs = (
        f"Δ: difference to {section.baseline} in points. p: corrected by {rules.author} over the core "
        "methods; † exploratory, not corrected."
    )
    text = (
        f"{spec['title']} ({spec['task_ref']}, source {spec['source']}{apart}{stand_in}).{silent} "
        f"Encoder {spec['encoder']}, preset {spec['preset']}, protocol {spec['protocol']}, {seeds}, "
        f"constant guess {majority} %. {signs}{' ‡ The same real rows both fit and select.' if fitted else ''}"
    )
    return escape_tex(text)
