"""Methods in a file of the user and in an installed package: found once, refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

import methods
from methods import plugins
from tests.helpers.plugins import CODE, installed_package

pytestmark = pytest.mark.usefixtures("registry_as_it_was")


def test_a_file_is_loaded_once(tmp_path: Path) -> None:
    path = tmp_path / "half.py"
    path.write_text(CODE)
    plugins.load_file(path)
    first = methods.METHODS["half"]
    plugins.load_file(tmp_path / "." / "half.py")
    assert methods.METHODS["half"] is first
    assert plugins.file_of(first) == path.resolve()
    assert plugins.file_of(methods.METHODS["ce"]) is None
    assert plugins.findable(first)
    assert plugins.findable(methods.METHODS["ce"])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("gamma is\n  too large"), "gamma is too large"),
        (ValueError(), "ValueError: "),
        (OSError("no disk"), "OSError: no disk"),
    ],
)
def test_reasons(error: Exception, words: str) -> None:
    assert plugins.reason(error) == words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise OSError('no disk')", "line 1: OSError: no disk"),
        ("import sys\nsys.exit(3)", "line 2: SystemExit: 3"),
        ("def f(:\n", "line 1: SyntaxError"),
        ("x = 1", "registers no method"),
        (CODE.replace('"half"', '"ce"'), "registered twice"),
        (CODE.replace('"half"', '"Half"'), "lower case"),
        (CODE.replace("def weights", "def weight"), "lacks weights"),
        (CODE + "\n\nimport no_such_package", "ModuleNotFoundError"),
        (CODE.replace('"half"', '"all"'), "'all' would be the name of a method and of a group; rename one"),
        (CODE.replace('"half"', '"core"'), "'core' would be the name of a method and of a group"),
        (CODE + "\n    groups = ('ce',)\n", "'ce' would be the name of a method and of a group"),
    ],
)
def test_a_plugin_that_raises_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(text)
    with pytest.raises(plugins.PluginError) as caught:
        plugins.load_file(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "half" not in methods.METHODS, "nothing of it stays registered"


@pytest.mark.parametrize(("file", "message"), [("none.py", "no such file"), (".", "not a .py file")])
def test_a_plugin_must_be_a_python_file(tmp_path: Path, file: str, message: str) -> None:
    with pytest.raises(plugins.PluginError, match=message):
        plugins.load_file(tmp_path / file)


@pytest.mark.parametrize(
    "groups",
    [
        ["data_weighting_bench.methods"],
        ["counterweight.methods"],
        ["counterweight.methods", "data_weighting_bench.methods"],
    ],
    ids=["current", "former", "both"],
)
def test_the_entry_point_group_may_have_its_former_name(
    groups: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_package(tmp_path, CODE, groups)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.installed.cache_clear()
    assert [entry.module for entry in plugins.installed()] == ["own_methods"], "in both groups, it still counts once"
    assert plugins.findable(methods.METHODS["half"])
    assert "half" in methods.discover()


def test_a_package_whose_method_has_the_name_of_a_group_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group hid the method."""
    installed_package(tmp_path, CODE.replace('"half"', '"core"'))
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.installed.cache_clear()
    for _ in range(2):
        with pytest.raises(plugins.PluginError, match=r"package own-dist .* 'core' would be the name of a method"):
            methods.discover()


def test_a_package_that_raises_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed_package(tmp_path, "raise OSError('broken')")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.installed.cache_clear()
    with pytest.raises(plugins.PluginError, match=r"package own-dist offers methods in own_methods: OSError: broken"):
        methods.discover()
