"""`python -m docs.site [FOLDER]`: writes the pages of the site to FOLDER/pages and builds FOLDER/html from them.

A link that leads nowhere ends the build with exit code 1. Without a network it builds the same.
"""

from __future__ import annotations

import argparse
import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path

import methods as registry
from docs.site.cards import ROOT, first_line, index, method_card, results, task_card
from tasks import load_spec, task_names

SOURCES = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
    "data-card.md": "tasks/bundled/README.md",
    "calibration.md": "reports/calibration.md",
    "calibration-counts.md": "reports/calibration-counts.md",
    "calibration-looks.md": "reports/calibration-looks.md",
    "performance.md": "reports/performance.md",
    "reports/sweeps/README.md": "reports/sweeps/README.md",
    "reports/variance/variance.md": "reports/variance/variance.md",
}
REPORTS = ("human-full", "human-all", "twitter-probe")


def write_pages(folder: Path) -> None:
    """Write every page of the site as Markdown, with the figures of the committed reports."""
    shutil.rmtree(folder, ignore_errors=True)
    places = SOURCES | {page.name: f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md"))}
    places |= {f"reports/{name}/leaderboard.md": f"reports/{name}/leaderboard.md" for name in REPORTS}
    home = {source: place for place, source in places.items()}
    for picture in (ROOT / "reports").rglob("*.png"):
        target = folder / picture.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, target)
    for place, source in places.items():
        put(folder / place, relink((ROOT / source).read_text("utf-8"), source, place, home))
    write_cards(folder)


def write_cards(folder: Path) -> None:
    """Write a card for each method and task, and the two pages that list them."""
    measured, names = results(), sorted(registry.discover())
    for name in names:
        put(folder / "method-cards" / f"{name}.md", method_card(name, measured))
    for name in task_names():
        put(folder / "task-cards" / f"{name}.md", task_card(name))
    titles = {name: load_spec(name).title for name in task_names()}
    put(folder / "all-methods.md", index("All methods", "method-cards", {name: first_line(name) for name in names}))
    put(folder / "all-tasks.md", index("All tasks", "task-cards", titles))


def put(path: Path, text: str) -> None:
    """Write a page and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def relink(text: str, source: str, place: str, home: dict[str, str]) -> str:
    """A page whose links fit its place in the site. A link to a file that is no page of the site becomes its text.

    `source` and `place` are the paths of the page in the repository and in the site; `home` maps the one to the other.
    """

    def moved(match: re.Match[str]) -> str:
        mark, words, link = match.groups()
        path, hash_, anchor = link.partition("#")
        if "://" in link or not path:
            return match[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if target.startswith("reports/") and target.endswith(".png"):
            home.setdefault(target, target)
        if target not in home:
            return words
        return f"{mark}[{words}]({posixpath.relpath(home[target], posixpath.dirname(place) or '.')}{hash_}{anchor})"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", moved, text)


def main() -> int:
    arguments = argparse.ArgumentParser(
        "python -m docs.site", description="Build the documentation site, in FOLDER/html."
    )
    arguments.add_argument("folder", nargs="?", type=Path, default=Path("build/docs"), metavar="FOLDER")
    folder = arguments.parse_args().folder.resolve()
    write_pages(folder / "pages")
    shutil.copy(ROOT / "docs/site/mkdocs.yml", folder / "mkdocs.yml")
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q"], cwd=folder, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
