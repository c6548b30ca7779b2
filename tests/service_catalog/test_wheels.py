import marshal
import re
import sys
from pathlib import Path

import pytest
from function_zip import ROOT
from interpreter import Interpreter, compile_tree, interpreter
from wheels import trim, wheels

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def one_pin(tmp_path):
    """The smallest of our pins, with its hashes."""
    pins = (ROOT / "consumer_replicator" / "requirements.txt").read_text()
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(re.search(r"^six==.*?(?=^\S)", pins, re.MULTILINE | re.DOTALL)[0])
    return requirements


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_two_installations_from_scratch_are_equal_to_the_byte(one_pin, tmp_path):
    python = interpreter(VERSION)
    first, second = (wheels(one_pin, "arm64", VERSION, python, tmp_path / cache) for cache in ("one", "two"))
    assert contents(first) == contents(second)
    assert {"six.py", "licenses/six-1.17.0/LICENSE"} < set(contents(first))


def test_an_installation_is_made_once_and_again_when_asked(one_pin, tmp_path):
    folder = wheels(one_pin, "arm64", VERSION, None, tmp_path / "cache")
    (folder / "mark").touch()
    assert wheels(one_pin, "arm64", VERSION, None, tmp_path / "cache") == folder
    assert (folder / "mark").exists()
    assert wheels(one_pin, "arm64", VERSION, None, tmp_path / "cache", rebuild=True) == folder
    assert not (folder / "mark").exists()
    assert list((tmp_path / "cache").iterdir()) == [folder]


def test_a_wheel_that_does_not_match_its_hash_leaves_nothing_behind(one_pin, tmp_path):
    one_pin.write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(RuntimeError, match="pip could not install the wheels for arm64"):
        wheels(one_pin, "arm64", VERSION, None, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_processors_pythons_and_pins_have_folders_of_their_own(one_pin, tmp_path):
    folders = {
        wheels(one_pin, "arm64", VERSION, None, tmp_path),
        wheels(one_pin, "x86_64", VERSION, None, tmp_path),
        wheels(one_pin, "arm64", VERSION, interpreter(VERSION), tmp_path),
    }
    assert len(folders) == 3


def test_trimming_keeps_the_newest_version_of_a_service_and_every_licence(tmp_path):
    kept = ["botocore/data/s3/2006-03-01/service-2.json.gz", "lib/__init__.py"]
    dropped = [
        *("botocore/data/s3/2005-01-01/service-2.json.gz", "botocore/data/ec2/2016-11-15/service-2.json.gz"),
        *("botocore/data/s3/2006-03-01/examples-1.json", "lib/tests/test_lib.py", "lib/py.typed", "bin/lib"),
        *("lib-1.0.dist-info/METADATA", "lib-1.0.dist-info/RECORD"),
    ]
    licences = ["lib-1.0.dist-info/licenses/LICENSE.md", "lib-1.0.dist-info/NOTICE"]
    for name in [*kept, *dropped, *licences]:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    trim(tmp_path)
    assert set(contents(tmp_path)) == {*kept, "licenses/lib-1.0/LICENSE.md", "licenses/lib-1.0/NOTICE"}


def test_bytecode_is_the_same_wherever_it_was_compiled(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "module.py").write_text("NAMES = {'a', 'b', 'c'} | frozenset('xyz')\ndef f(): return 1\n")
        compile_tree(interpreter(VERSION), tmp_path / folder)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


DOCUMENTED = '''"""Of the module."""
from __future__ import annotations
class Empty:
    """Of a class."""
class Full:
    """Of another."""
    text = """No docstring."""
    async def method(self):
        """Of a method."""
        assert self, "an assertion stays"
        return "a text stays"
'''


@pytest.mark.parametrize("docstrings", [True, False])
def test_docstrings_can_be_left_out_of_the_bytecode_and_nothing_else_is(tmp_path, docstrings):
    (tmp_path / "documented.py").write_text(DOCUMENTED)
    compile_tree(interpreter(VERSION), tmp_path, docstrings=docstrings)
    (compiled,) = (tmp_path / "__pycache__").iterdir()
    code = marshal.loads(compiled.read_bytes()[16:])
    namespace = {"__name__": "documented"}
    exec(code, namespace)
    kept = [namespace.get("__doc__"), *(namespace[name].__doc__ for name in ("Empty", "Full"))]
    assert kept == (["Of the module.", "Of a class.", "Of another."] if docstrings else [None] * 3)
    method = namespace["Full"].method
    assert method.__doc__ == ("Of a method." if docstrings else None)
    assert {"an assertion stays", "a text stays"} <= set(method.__code__.co_consts)
    assert namespace["Full"].text == "No docstring."
    assert method.__code__.co_firstlineno == 8


def test_a_module_that_does_not_compile_stops_the_build(tmp_path):
    (tmp_path / "module.py").write_text("def :\n")
    with pytest.raises(RuntimeError, match="could not compile"):
        compile_tree(interpreter(VERSION), tmp_path)


def test_the_interpreter_found_is_of_the_version_asked_for():
    assert isinstance(interpreter(VERSION), Interpreter)
    assert interpreter(VERSION).release.startswith(f"{VERSION}.")


def test_no_interpreter_is_found_for_a_version_that_does_not_exist():
    assert interpreter("3.99") is None
