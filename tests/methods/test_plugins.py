"""Methods in a file of the user and in an installed package: found once, refused in one line."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import methods
from bench.hashing import class_hash
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
        (CODE.replace("def weights", "def weight"), "method 'half': lacks weights"),
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


CONFIGURED = (
    CODE.replace("from methods.base import WeightMethod", "from dataclasses import *\nfrom methods.base import *")
    .replace("@register", "@dataclass(frozen=True)\nclass Own(WeightConfig):\n    power: float = 1.0\n\n\n@register")
    .replace('"""Half."""', "Config = Own")
)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("requires = ('qualitiy',)", "requires has 'qualitiy', which is no table: quality, "),
        ("requires = 'quality'", "requires is a tuple of texts, such as requires = ('quality',)"),
        ("groups = 'own'", "groups is a tuple of texts, such as groups = ('own',)"),
        ("packages = 3", "packages is a tuple of texts, not 3"),
        ("requires_of = classmethod(lambda cls, config: ['x'])", "requires has 'x', which is no table"),
        ("requires = ('quality',)", "requires quality, which is made of real rows; say how with real_use"),
        ("real_use = 'checker'", "real_use is one of RealUse.NONE, "),
        ("pairing = 'none'", "pairing is 'full' or 'partial', not 'none'"),
        ("version = 0", "version is a whole number of 1 or more, not 0"),
        ("networks = None", "networks is a whole number of 1 or more, not None"),
        ("declared_cost = classmethod(lambda *_: 0)", "declared_cost gives a number above 0, not 0"),
        ("declared_cost = classmethod(lambda *_: 1 / 0)", "ZeroDivisionError"),
        ("Config = object", "Config is a class that derives from WeightConfig"),
    ],
)
def test_declarations_that_cannot_be_right_are_refused(tmp_path: Path, line: str, message: str) -> None:
    """They ended in a traceback while the grid was planned, or in a wrong column of the report."""
    path = tmp_path / "own.py"
    path.write_text(f"{CODE}\n    {line}\n")
    with pytest.raises(plugins.PluginError) as caught:
        plugins.load_file(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Own(WeightConfig)", "Own(WeightConfig)", ""),
        ("(WeightConfig)", "", "Config is a class that derives from WeightConfig"),
        ("(WeightConfig)", "(MethodConfig)", "Config is a class that derives from WeightConfig"),
        ("@dataclass(frozen=True)\n", "", "its settings are not read; decorate Own with @dataclass(frozen=True)"),
        ("float = 1.0", "list = field(default_factory=list)", "setting power: its default cannot be changed in place"),
        ("float = 1.0", "'Foo' = 1.0", "NameError: name 'Foo' is not defined"),
        ("= 1.0", "= setting(1.0, search=(0.0, 2.0), log=True)", "logarithmic scale begins above 0, not at 0.0"),
        ("= 1.0", "= setting(1.0, search=(2.0, 0.5))", "setting power: search begins at 2.0 and ends at 0.5"),
        ("= 1.0", "= setting(1.0, search=2.0)", "search is a range (low, high) or several choices, not 2.0"),
        ("= 1.0", "= setting(1.0, search=('a', 'b'), log=True)", ""),
    ],
)
def test_settings_that_cannot_be_right_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(CONFIGURED.replace(old, new))
    if not message:
        return plugins.load_file(path)
    with pytest.raises(plugins.PluginError) as caught:
        plugins.load_file(path)
    assert message in str(caught.value)


def test_an_edited_file_is_loaded_again(tmp_path: Path) -> None:
    """In a notebook the second run returned the results of the old code."""
    path = tmp_path / "half.py"
    path.write_text(CODE)
    plugins.load_file(path, anew=True)
    first = class_hash(methods.METHODS["half"])
    path.write_text(CODE.replace("0.5", "0.7").replace('"half"', '"more"'))  # of the same size, in the same second
    plugins.load_file(path)
    assert class_hash(methods.METHODS["half"]) == first, "a worker goes on with the code of its run"
    plugins.load_file(path, anew=True)
    assert "half" not in methods.METHODS
    assert class_hash(methods.METHODS["more"]) != first
    assert "0.7" in inspect.getsource(methods.METHODS["more"])
    assert plugins.file_of(methods.METHODS["more"]) == path.resolve()
    path.write_text(CODE.replace("def weights", "def weight"))
    with pytest.raises(plugins.PluginError, match="lacks weights"):
        plugins.load_file(path, anew=True)
    assert not {"half", "more"} & methods.METHODS.keys(), "the old code is not that of the file"
    path.write_text(CODE)
    plugins.load_file(path, anew=True)
    assert class_hash(methods.METHODS["half"]) == first


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


def test_a_package_whose_declarations_cannot_be_right_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed_package(tmp_path, f"{CODE}\n    requires = 'quality'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.installed.cache_clear()
    for _ in range(2):
        with pytest.raises(plugins.PluginError, match=r"package own-dist .* method 'half': requires is a tuple"):
            methods.discover()


def test_a_package_that_raises_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed_package(tmp_path, "raise OSError('broken')")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.installed.cache_clear()
    with pytest.raises(plugins.PluginError, match=r"package own-dist offers methods in own_methods: OSError: broken"):
        methods.discover()
