import pytest
from import_closure import import_closure, imported_names


def project(folder, **modules: str):
    for name, source in modules.items():
        file = folder.joinpath(*name.split("__", maxsplit=2)).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(source)
    return folder


def test_a_module_is_reached_through_others_and_brings_its_packages(tmp_path):
    project(tmp_path, app__start="import app.middle", app__middle="from app import end", app__end="", app__other="")
    closure = import_closure(["app.start"], [tmp_path], ["app"])
    assert sorted(closure) == ["app", "app.end", "app.middle", "app.start"]
    assert closure["app"] == tmp_path / "app" / "__init__.py"


def test_an_import_inside_a_function_counts(tmp_path):
    project(tmp_path, app__start="def later():\n    from app.end import name", app__end="")
    assert "app.end" in import_closure(["app.start"], [tmp_path], ["app"])


def test_packages_that_were_not_asked_for_are_left_out(tmp_path):
    project(tmp_path, app__start="import lib.one", lib__one="")
    assert sorted(import_closure(["app.start"], [tmp_path], ["app"])) == ["app", "app.start"]


def test_a_package_that_is_never_entered_is_left_out_with_all_that_only_it_reaches(tmp_path):
    project(tmp_path, app__start="import app.web, app.end", app__web="import app.html", app__html="", app__end="")
    closure = import_closure(["app.start"], [tmp_path], ["app"], without=["app.web"])
    assert sorted(closure) == ["app", "app.end", "app.start"]


def test_modules_that_import_each_other_end(tmp_path):
    project(tmp_path, app__one="import app.two", app__two="import app.one")
    assert sorted(import_closure(["app.one"], [tmp_path], ["app"])) == ["app", "app.one", "app.two"]


def test_a_second_folder_is_looked_in_when_the_first_has_no_such_module(tmp_path):
    first, second = project(tmp_path / "1", app__start="import lib.one"), project(tmp_path / "2", lib__one="")
    assert import_closure(["app.start"], [first, second], ["app", "lib"])["lib.one"] == second / "lib" / "one.py"


def test_an_entry_point_without_a_file_is_refused(tmp_path):
    with pytest.raises(ModuleNotFoundError, match=r"no module app\.start"):
        import_closure(["app.start"], [tmp_path], ["app"])


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("import a.b, c", {"a.b", "c"}),
        ("from a import b, c", {"a", "a.b", "a.c"}),
        ("from . import near", {"top.mid", "top.mid.near"}),
        ("from .near import name", {"top.mid.near", "top.mid.near.name"}),
        ("from ..far import name", {"top.far", "top.far.name"}),
    ],
)
def test_each_form_of_import_names_what_it_may_bind(statement, names):
    assert imported_names(statement, "top.mid.module", is_package=False) == names


def test_a_relative_import_of_a_package_starts_at_the_package_itself():
    assert imported_names("from . import near", "top.mid", is_package=True) == {"top.mid", "top.mid.near"}


TYPED = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import heavy\nelse:\n    import light\n"


def test_an_import_for_the_type_checker_does_not_count_and_its_alternative_does():
    names = imported_names(TYPED, "module", is_package=False)
    assert "light" in names
    assert "heavy" not in names


def test_in_a_module_that_loads_its_exports_on_demand_they_do_count():
    assert "heavy" in imported_names(f"{TYPED}\ndef __getattr__(name): ...\n", "module", is_package=False)
