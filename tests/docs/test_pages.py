"""The pages: links lead to something, the README stays short, and its commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from typer.core import TyperCommand
from typer.main import get_command

import methods
import tasks
from bench.cli import app
from bench.config.protocols import PROTOCOLS
from bench.config.settings import PRESETS, Preset, Settings
from bench.execution.engines import ENGINES
from bench.generate.backends import BACKENDS
from bench.leaderboard.figures import FIGURES
from bench.leaderboard.formats import FORMS
from bench.leaderboard.method_facts import facts
from bench.seeds import SOURCES as VARIED
from bench.stats.metrics import METRICS
from bench.tracking.registry import TRACKERS
from methods.auxiliary import AUXILIARIES
from methods.hooks import Budget
from tasks.sources.registry import SOURCES

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "tasks/bundled/README.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
]
NAMES = [field.name for field in fields(Settings)]
SETTINGS = {f"--{name.replace('_', '-')}" for name in NAMES}  # `run` takes them as flags


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


LISTED = {  # the page that names every entry of a registry
    "methods.md": [methods.discover(), methods.group_names(), AUXILIARIES],
    "data.md": [tasks.task_names(), SOURCES.keys() - {tasks.FILES}],
    "stress.md": [tasks.AXES],
    "running.md": [PRESETS, NAMES],
    "protocols.md": [PROTOCOLS],
    "clusters.md": [ENGINES],
    "wandb.md": [TRACKERS],
    "generate.md": [BACKENDS],
    "reading-reports.md": [FORMS, METRICS, [figure.key for figure in FIGURES]],
    "statistics.md": [VARIED],
    "install.md": [tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]],
}


@pytest.mark.parametrize("page", LISTED)
def test_a_page_names_every_entry_of_its_registries(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    assert not [name for names in LISTED[page] for name in names if not re.search(rf"\b{re.escape(name)}\b", text)]


def method_row(name: str) -> str:
    """A method in the table of docs/methods.md: idea, family, use of real rows, cost of the training."""
    cls, known = methods.METHODS[name], facts(name)
    idea, config = " ".join(known.idea.partition("\n\n")[0].split()), cls.Config()
    cost = cls.declared_cost(config, Budget())
    return f"| `{name}` | {idea} | {known.family} | {cls.real_use_of(config)} | {cost:.3g} |"


def test_the_table_of_methods_is_that_of_the_registry() -> None:
    """Where it fails, write the rows of `method_row` into the page."""
    page = (ROOT / "docs/methods.md").read_text("utf-8").partition("\n## All methods\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `.*$", page, re.MULTILINE) == [method_row(name) for name in sorted(methods.discover())]


def test_the_method_that_a_page_shows_has_what_tests_ask_of_methods(tmp_path: Path) -> None:
    """Five of them failed with it."""
    found = re.search(r"```python\n(.*?)```", (ROOT / "docs/extend.md").read_text("utf-8"), re.DOTALL)
    assert found is not None
    (tmp_path / "confidence.py").write_text(found[1], encoding="utf-8")
    code = """
import sys
from pathlib import Path
import methods
from methods import plugins
from tests.methods import conftest, test_method_registry as contract
plugins.load_file(Path(sys.argv[1]))
contract.test_source_is_documented("confidence")
contract.test_says_when_it_fails("confidence")
contract.test_declarations_are_valid("confidence")
contract.test_not_a_number_is_refused("confidence", conftest.own_fields)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "confidence.py")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_every_command_and_option_is_on_some_page() -> None:
    """An option of one role, such as --real-text-pair, is on a page with the option for all roles."""
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    absent = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        absent += [name] if not re.search(rf"\bbench {name}\b", text) else []
        for option in {option for parameter in command.params for option in parameter.opts if option.startswith("--")}:
            general = re.sub(r"^--(generated|real|test)-(text-pair|text|labels?)$", r"--\2", option)
            if not re.search(rf"{re.escape(general)}(?![\w-])", text):
                absent.append(f"{name} {option}")
    assert not absent


def test_the_tables_of_presets_have_their_settings() -> None:
    """The settings of `quick` but those that no preset has, and where the other presets differ from it."""
    page = (ROOT / "docs" / "running.md").read_text("utf-8").partition("\n## Presets")[2].partition("\n## ")[0]
    quick = dict(re.findall(r"^\| `(\w+)` \| .* \| ([^|`]+) \|$", page, re.MULTILINE))
    others = re.findall(r"^\| `(\w+)` \| (`.*) \|$", page, re.MULTILINE)
    written = {name: quick | dict(re.findall(r"`(\w+)` ([^,|]+)", cells)) for name, cells in others}
    every = {name: preset_settings(preset) for name, preset in PRESETS.items()}
    ever_set = {name for settings in every.values() for name, value in settings.items() if value != "-"}
    expected = {name: {key: settings[key] for key in ever_set} for name, settings in every.items()}
    assert quick == expected.pop("quick")
    assert written == expected


def preset_settings(preset: Preset) -> dict[str, str]:
    """The settings of a preset with its encoder and protocol, as the page writes them."""
    settings = {name: spelt(name, getattr(preset.settings, name)) for name in NAMES}
    return {**settings, "encoder": preset.encoder.split("/")[-1], "protocol": preset.protocol}


def spelt(name: str, value: object) -> str:
    """A setting as the table writes it."""
    if value is None:
        return "all" if name == "generated_rows" else "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


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
