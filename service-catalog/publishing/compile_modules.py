"""Writes the bytecode of every module below a folder, run by the Python that will load it:

python compile_modules.py FOLDER [--without-docstrings] [--deferred '{"library/module.py": ["name"]}']

As `compileall` would with `--invalidation-mode unchecked-hash` (PEP 552: no timestamp in the file, no source read to
validate it), but that it can leave docstrings out, a fifth of the bytecode (`python -OO` would take the assertions
too), and put off imports (see `deferred_imports`).
"""

import argparse
import ast
import importlib.util
import json
import marshal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # an isolated Python does not look there
from deferred_imports import defer

WHERE_IT_RUNS = "/var/task"
UNCHECKED_HASH = (1).to_bytes(4, "little")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--without-docstrings", action="store_true")
    parser.add_argument("--deferred", type=json.loads, default={})
    options = parser.parse_args(arguments)
    for name in options.deferred:
        if not (options.folder / name).is_file():
            sys.exit(f"There is no {name} whose imports could be put off.")
    for module in sorted(options.folder.rglob("*.py")):
        source = module.read_bytes()
        name = module.relative_to(options.folder).as_posix()
        tree = ast.parse(source, name)
        try:
            defer(tree, options.deferred.get(name, ()))
        except ValueError as error:
            sys.exit(f"An import of {name} cannot be put off: {error}.")
        if options.without_docstrings:
            leave_docstrings_out(tree)
        code = compile(tree, f"{WHERE_IT_RUNS}/{name}", "exec", dont_inherit=True, optimize=0)
        del tree  # else its texts would be marked as shared
        head = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source)
        target = Path(importlib.util.cache_from_source(module, optimization=""))
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(head + marshal.dumps(code))


def leave_docstrings_out(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        match node:
            case (
                ast.Module(body=[ast.Expr(ast.Constant(str())) as docstring, *rest])
                | ast.ClassDef(body=[ast.Expr(ast.Constant(str())) as docstring, *rest])
                | ast.FunctionDef(body=[ast.Expr(ast.Constant(str())) as docstring, *rest])
                | ast.AsyncFunctionDef(body=[ast.Expr(ast.Constant(str())) as docstring, *rest])
            ):
                node.body = rest or [ast.copy_location(ast.Pass(), docstring)]


if __name__ == "__main__":
    main(sys.argv[1:])
