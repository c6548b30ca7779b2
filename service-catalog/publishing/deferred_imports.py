"""Puts an import off until a function needs it: from the head of its module to the head of each function that uses it.

For what libraries import and the function in Lambda never comes to use. Only the bytecode changes, and only in this: a
later call imports what the module would have imported, by the same statement. Where that does not hold, because the
name is used while the module loads or is also given to something else, it refuses.
"""

import ast
from collections.abc import Collection, Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef


def defer(tree: ast.Module, names: Collection[str]) -> None:
    """`names`: what import statements at the module's head bind. ValueError where one of them cannot be put off."""
    statements = {name: _taken_out(tree, name) for name in sorted(names)}
    for node in _while_loading(tree):
        if isinstance(node, ast.Name) and node.id in statements:
            raise ValueError(f"{node.id} is used while the module loads, in line {node.lineno}")
        if isinstance(node, Function):
            for name, statement in statements.items():
                if _uses(node, name):
                    at = 1 if ast.get_docstring(node, clean=False) is not None else 0
                    node.body.insert(at, ast.copy_location(_copied(statement), node))


def _taken_out(tree: ast.Module, name: str) -> ast.Import | ast.ImportFrom:
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                if (alias.asname or alias.name.partition(".")[0]) == name:
                    statement.names.remove(alias)
                    if not statement.names:
                        tree.body.remove(statement)
                    if isinstance(statement, ast.ImportFrom):
                        return ast.ImportFrom(statement.module, [alias], statement.level)
                    return ast.Import([alias])
    raise ValueError(f"no import at the module's head binds {name}")


def _while_loading(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node that runs with the module: all but what is in the bodies of functions."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Function):
            waiting += [*node.decorator_list, node.args, *([node.returns] if node.returns else [])]
        else:
            waiting += ast.iter_child_nodes(node)


def _uses(function: Function, name: str) -> bool:
    used = False
    for node in ast.walk(function):
        match node:
            case ast.Name(id=found, ctx=ast.Load()) if found == name:
                used = True
            case ast.Name(id=found) | ast.arg(arg=found) | ast.ExceptHandler(name=found) if found == name:
                raise ValueError(f"{name} is also something else, in line {node.lineno}")
            case ast.Global(names=found) | ast.Nonlocal(names=found) if name in found:
                raise ValueError(f"{name} is also something else, in line {node.lineno}")
    return used


def _copied(statement: ast.Import | ast.ImportFrom) -> ast.Import | ast.ImportFrom:
    if isinstance(statement, ast.ImportFrom):
        return ast.ImportFrom(statement.module, statement.names, statement.level)
    return ast.Import(statement.names)
