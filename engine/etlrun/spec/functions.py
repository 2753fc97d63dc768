"""Python functions of a spec: found and inspected without importing or running their code."""

from __future__ import annotations

import ast
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from etlrun.diagnostics import nearest

REFERENCE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)\Z")


class FunctionMissing(ValueError):
    """A reference without a usable function; `str()` is the reason, and `fix` what to do."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix


def find_function(reference: str, root: Path) -> None:
    """Make sure that `module:function` exists below `root` or among the installed modules, and takes one argument.

    A function of a module without source text is not inspected. Raises FunctionMissing.
    """
    match = REFERENCE.match(reference)
    if match is None:
        raise FunctionMissing(f"`{reference}` is not a reference to a function", "write it as `module:function`")
    module, name = match.groups()
    path = _module_file(module, root)
    if path is None:
        return
    try:
        tree = ast.parse(path.read_bytes(), path.name)
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise FunctionMissing(f"`{path.name}` is not Python{line}") from error
    _check_function(tree, module, name)


def line_of_function(reference: str, root: Path) -> str:
    """Where a function of the project begins, as `clean.py:12`; empty where that is not known."""
    module, _, name = reference.partition(":")
    try:
        path = _module_file(module, root)
        if path is None or not path.is_relative_to(root):
            return ""
        tree = ast.parse(path.read_bytes())
    except (FunctionMissing, OSError, SyntaxError, ValueError):
        return ""
    lines = (node.lineno for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    return next((f"{path.relative_to(root)}:{line} in {name}" for line in lines), "")


def _module_file(module: str, root: Path) -> Path | None:
    """The source file of a module; None if it has none. Each package on the way is looked up, not imported."""
    folders = [str(root), *sys.path]
    spec = None
    for part in module.split("."):
        spec = PathFinder.find_spec(part, folders)
        if spec is None:
            break
        folders = list(spec.submodule_search_locations or ())
    if spec is None and module not in sys.builtin_module_names:
        file = "/".join(module.split(".")) + ".py"
        raise FunctionMissing(
            f"there is no module `{module}`", f"write it in the file {file} of the project, or install its package"
        )
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _check_function(tree: ast.Module, module: str, name: str) -> None:
    functions = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    if name not in functions:
        if name in _other_names(tree):
            return
        known = ", ".join(f"`{found}`" for found in functions)
        raise FunctionMissing(
            f"`{module}` has no function `{name}`",
            nearest(name, tuple(functions)) or (f"it has {known}" if known else ""),
        )
    function = functions[name]
    if isinstance(function, ast.AsyncFunctionDef):
        raise FunctionMissing(f"`{name}` is an async function", "write it as a plain `def`")
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    least = len(positional) - len(arguments.defaults)
    unfilled = any(default is None for default in arguments.kw_defaults)
    if unfilled or least > 1 or (not positional and arguments.vararg is None):
        raise FunctionMissing(f"`{name}` must take one argument: the rows", f"write it as `def {name}(rows):`")


def _other_names(tree: ast.Module) -> set[str]:
    """Names that a module binds by importing or assigning at its top."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update((alias.asname or alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return found
