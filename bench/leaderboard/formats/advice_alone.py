"""The advice of a report alone, as Markdown, HTML or JSON, for `bench advise`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from bench.leaderboard.formats.answer import answer, answer_json
from bench.leaderboard.formats.html_text import blocks, inline
from bench.leaderboard.formats.prose import constant_guess, heading, limits
from bench.leaderboard.formats.to_json import SECTION
from bench.leaderboard.results import Report, Section
from bench.leaderboard.rules import Rules
from bench.store.files import plain_json

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Advice</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 1.5rem; max-width: 50rem; font: 16px/1.5 system-ui, sans-serif; }
li { margin: .5rem 0; }
</style>
</head>
<body>
<h1>Advice</h1>
{% for title, parts in sections %}
<h2>{{ title }}</h2>
{% for part in parts %}
{% if part["items"] %}
<ul>{% for item in part["items"] %}<li>{{ item }}</li>{% endfor %}</ul>
{% else %}
<p>{{ part["text"] }}</p>
{% endif %}
{% endfor %}
{% endfor %}
<p>{{ note }}</p>
</body>
</html>
"""


def note(rules: Rules) -> str:
    """What intervals and verdicts are."""
    family = {"task": "a section", "report": "all sections"}[rules.family]
    return (
        f"Differences are of accuracy, in points, with {rules.kind_of_interval} intervals for new seeds and new test "
        f"rows. Verdicts are corrected by {rules.author} over the core methods of {family}; the "
        "leaderboard explains them (`bench report`). `bench labels` says what more labelled rows would bring."
    )


def markdown(report: Report) -> str:
    """The answers of all sections."""
    parts = [part for section in report.sections for part in (f"## {heading(section)}", *said(section))]
    return "\n\n".join(["# Advice", *parts, note(report.rules)]) + "\n"


def html(report: Report) -> str:
    """The same as one page that loads nothing."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    sections = [(inline(heading(section)), blocks(said(section))) for section in report.sections]
    return environment.from_string(PAGE).render(sections=sections, note=inline(note(report.rules))) + "\n"


def json_list(report: Report) -> str:
    """A list with one object per section: what identifies it, and its advice."""
    values = [
        {**{key: section.spec.get(key) for key in SECTION}, "advice": answer_json(section)}
        for section in report.sections
    ]
    return json.dumps(plain_json(values), indent=1, allow_nan=False) + "\n"


def said(section: Section) -> Iterator[str]:
    """The answer of a section, and the limits of what it rests on."""
    yield from answer(section)
    if section.advice is None and not section.uninformative:
        yield "No cell of this section has a result."
    yield from constant_guess(section)
    yield limits(section)


FORMS: Mapping[str, Callable[[Report], str]] = {".md": markdown, ".html": html, ".json": json_list}
