"""Imports put off until a function needs them: the same module, but for when it imports."""

import ast
import sys

import pytest
from deferred_imports import defer
from interpreter import compile_tree, interpreter
from wheels import DEFERRED

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
HEAVY = "import sys\nsys.loaded = getattr(sys, 'loaded', 0) + 1\ndef weigh(what): return ['weighed', what]\n"


def run(source, names, monkeypatch, tmp_path):
    """The module's names once it has been loaded with those imports put off."""
    (tmp_path / "heavy.py").write_text(HEAVY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "heavy", raising=False)
    monkeypatch.setattr(sys, "loaded", 0, raising=False)
    tree = ast.parse(source)
    defer(tree, names)
    namespace = {"__name__": "light"}
    exec(compile(tree, "light.py", "exec"), namespace)
    return namespace


@pytest.mark.parametrize(
    "imported", ["from heavy import weigh", "from heavy import weigh as weigh", "import os, heavy\nweigh = None"]
)
def test_a_function_imports_what_it_uses_when_it_is_called(imported, monkeypatch, tmp_path):
    names, call = (["heavy"], "heavy.weigh") if "import os" in imported else (["weigh"], "weigh")
    light = run(f"{imported}\ndef use(x):\n    'Doc.'\n    return {call}(x)\n", names, monkeypatch, tmp_path)
    assert sys.loaded == 0
    assert light["use"](7) == ["weighed", 7]
    assert sys.loaded == 1
    assert light["use"].__doc__ == "Doc."


def test_a_method_and_a_function_within_a_function_find_it_too(monkeypatch, tmp_path):
    source = """
from heavy import weigh
class A:
    def use(self):
        def inner():
            return weigh(1)
        return [inner(), (lambda: weigh(2))(), *(weigh(n) for n in [3])]
def other():
    return "weigh"
"""
    light = run(source, ["weigh"], monkeypatch, tmp_path)
    assert light["other"]() == "weigh"
    assert sys.loaded == 0
    assert light["A"]().use() == [["weighed", 1], ["weighed", 2], ["weighed", 3]]


def test_what_else_a_statement_imports_stays_at_the_head(monkeypatch, tmp_path):
    light = run("from os import path, sep\ndef use(): return path.join('a', 'b')\n", ["path"], monkeypatch, tmp_path)
    assert "sep" in light
    assert "path" not in light
    assert light["use"]()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("from heavy import other\n", "no import at the module's head binds weigh"),
        ("def use():\n    from heavy import weigh\n", "no import at the module's head binds weigh"),
        ("from heavy import weigh\nweigh(1)\n", "used while the module loads, in line 2"),
        ("from heavy import weigh\nclass A(weigh): pass\n", "used while the module loads, in line 2"),
        ("from heavy import weigh\nclass A:\n    b = weigh\n", "used while the module loads, in line 3"),
        ("from heavy import weigh\ndef f(x=weigh): pass\n", "used while the module loads"),
        ("from heavy import weigh\ndef f(x: weigh): pass\n", "used while the module loads"),
        ("from heavy import weigh\ndef f() -> weigh: pass\n", "used while the module loads"),
        ("from heavy import weigh\n@weigh\ndef f(): pass\n", "used while the module loads"),
        ("from heavy import weigh\nf = lambda: weigh\n", "used while the module loads"),
        ("from heavy import weigh\ndef f():\n    weigh = 1\n    return weigh\n", "is also something else"),
        ("from heavy import weigh\ndef f(weigh): return weigh\n", "is also something else"),
        ("from heavy import weigh\ndef f():\n    global weigh\n    return weigh\n", "is also something else"),
        ("from heavy import weigh\ndef f():\n    try: pass\n    except E as weigh: weigh\n", "is also something else"),
    ],
)
def test_an_import_that_cannot_be_put_off_is_refused(source, why):
    with pytest.raises(ValueError, match=why):
        defer(ast.parse(source), ["weigh"])


def test_the_build_stops_when_a_library_is_no_longer_as_it_was(tmp_path):
    (tmp_path / "library.py").write_text("def f(): pass\n")
    with pytest.raises(RuntimeError, match=r"An import of library\.py cannot be put off: no import"):
        compile_tree(interpreter(VERSION), tmp_path, deferred={"library.py": ["weigh"]})
    with pytest.raises(RuntimeError, match=r"There is no gone\.py"):
        compile_tree(interpreter(VERSION), tmp_path, deferred={"gone.py": ["weigh"]})


def test_only_imports_of_libraries_are_put_off():
    assert {name.partition("/")[0] for name in DEFERRED} == {"botocore", "urllib3"}
