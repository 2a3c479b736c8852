"""The tree as the architecture tests read it: files, modules and their syntax."""

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "protem"


def committed_files():
    """Every file that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def python_files(folder=ROOT):
    """Every Python file below a folder."""
    return sorted(
        path for path in committed_files() if path.suffix == ".py" and folder in path.parents
    )


def shown(path):
    """A path as people write it."""
    return str(path.relative_to(ROOT))


def functions(tree):
    """Every function of a module, methods and nested ones included."""
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def calls_of(tree):
    """Every call in a module with the dotted name of what it calls, as far as it has one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, dotted(node.func)


def dotted(node):
    """``a.b.c`` of a name or attribute chain; "" where the chain starts elsewhere."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else f".{node.attr}"
    return ""
