"""Which modules a set of entry points reaches, read from their import statements.

Read, not run: the target's compiled modules need not fit this machine, and an import inside a function (how the
libraries put off their heavy parts) counts as well. What an import statement cannot show is a module that is named in
a string; the one idiom of that kind met here is a package whose `__getattr__` imports what `if TYPE_CHECKING` lists, so
in a module with a `__getattr__` those imports count, and elsewhere they do not.
"""

import ast
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path


def import_closure(
    entry_points: Iterable[str], folders: Sequence[Path], packages: Collection[str], without: Collection[str] = ()
) -> dict[str, Path]:
    """Every module of `packages` that `entry_points` (dotted names) reach, with its file in the first of `folders`.

    `without` names packages that are never entered although an import statement names them. Raises
    ModuleNotFoundError when an entry point has no file.
    """
    closure: dict[str, Path] = {}
    waiting = sorted(entry_points)
    for name in waiting:
        if _file(name, folders) is None:
            raise ModuleNotFoundError(f"There is no module {name} below {', '.join(map(str, folders))}.", name=name)
    while waiting:
        name = waiting.pop()
        if name in closure or name.partition(".")[0] not in packages or {name, *_parents(name)} & {*without}:
            continue
        file = _file(name, folders)
        if file is None:  # `from package import name` where name is no module
            continue
        closure[name] = file
        waiting += _parents(name)
        waiting += imported_names(file.read_text(encoding="utf-8"), name, is_package=file.name == "__init__.py")
    return closure


def imported_names(source: str, module: str, *, is_package: bool) -> set[str]:
    """The dotted names that a module's import statements may bind: `from a import b` gives both `a` and `a.b`."""
    tree = ast.parse(source)
    lazy = any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body)
    package = module if is_package else module.rpartition(".")[0]
    names: set[str] = set()
    for node in _statements(tree, type_checking=lazy):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


def _statements(node: ast.AST, *, type_checking: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and not type_checking and _is_type_checking(child.test):
            for other in child.orelse:
                yield other
                yield from _statements(other, type_checking=type_checking)
        else:
            yield child
            yield from _statements(child, type_checking=type_checking)


def _is_type_checking(test: ast.expr) -> bool:
    match test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
        case _:
            return False


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _file(name: str, folders: Sequence[Path]) -> Path | None:
    relative = Path(*name.split("."))
    for folder in folders:
        for candidate in (folder / relative / "__init__.py", (folder / relative).with_suffix(".py")):
            if candidate.is_file():
                return candidate
    return None
