"""The pages: links lead to something, the README stays short, and its commands exist."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from typer.core import TyperCommand
from typer.main import get_command

from bench.cli import app
from bench.config.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "tasks/bundled/README.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
]
SETTINGS = {f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(Settings)}  # `run` takes them as flags


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_it_and_to_its_heading(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = page.parent / path if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def takes_more(command: TyperCommand) -> bool:
    """Whether a command takes the options of `run` besides its own."""
    return bool(command.context_settings.get("allow_extra_args"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_on_a_page_exists(page: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    unknown = []
    for line in re.findall(r"python -m bench ([^`\n#|]+)", page.read_text("utf-8")):
        name, *words = line.split()
        if not name.isidentifier():
            continue  # --help, --install-completion, names in capitals with a slash
        if name not in commands:
            unknown.append(line)
            continue
        sub = getattr(commands[name], "commands", {})
        command = sub.get(words[0], commands[name]) if words else commands[name]
        params = [*command.params, *(commands["run"].params if takes_more(command) else ())]
        options = {opt for parameter in params for opt in (*parameter.opts, *parameter.secondary_opts)}
        for word in words:
            flag = word.partition("=")[0].strip("[]().,;")
            if re.fullmatch(r"--[a-z][a-z-]+", flag) and flag not in options | SETTINGS:
                unknown.append(f"{name} {flag}")
    assert not unknown


def test_readme_has_at_most_150_lines() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150
