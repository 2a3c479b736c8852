"""House rules that no library checks, each as a function from a module's text to its offences."""

import ast

from .house import calls_of, dotted, functions

CLOCKS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns",
    "datetime.datetime.now",
}  # fmt: skip
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
EXECUTES = ("execute", "executemany", "executescript")


def reads_a_clock(text):
    """Calls of the present time; only the clock's own adapter may."""
    return [name for _, name in calls_of(ast.parse(text)) if name in CLOCKS]


def imports_chance(text):
    """Imports of ``random``, whose numbers can be guessed."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name == "random"]
        if isinstance(node, ast.ImportFrom) and node.module == "random":
            found.append("random")
    return found


def starts_a_shell(text):
    """Processes started through a shell instead of with an argument vector."""
    found = []
    for node, name in calls_of(ast.parse(text)):
        by_keyword = any(
            word.arg == "shell"
            and not (isinstance(word.value, ast.Constant) and word.value.value is False)
            for word in node.keywords
        )
        if by_keyword or name in SHELLS:
            found.append(name or "shell=")
    return found


def formats_sql(text):
    """Statements built by formatting instead of by composition."""
    found = []
    for node, name in calls_of(ast.parse(text)):
        if name.rpartition(".")[2] not in EXECUTES or not node.args:
            continue
        statement = node.args[0]
        built = (
            isinstance(statement, ast.JoinedStr)
            or (isinstance(statement, ast.BinOp) and isinstance(statement.op, ast.Mod | ast.Add))
            or (
                isinstance(statement, ast.Call)
                and isinstance(statement.func, ast.Attribute)
                and statement.func.attr == "format"
                and isinstance(statement.func.value, ast.Constant)
            )
        )
        if built:
            found.append(ast.unparse(statement)[:60])
    return found


def swallows_everything(text):
    """Broad handlers that neither raise again nor say why not."""
    lines = text.splitlines()
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        broad = node.type is None or dotted(node.type) in {"Exception", "BaseException"}
        raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
        if broad and not raises and "#" not in lines[node.lineno - 1]:
            found.append(f"line {node.lineno}")
    return found


def verifies_by_boolean(text):
    """Functions that verify and answer true or false, which a caller can forget to look at."""
    return [
        node.name
        for node in functions(ast.parse(text))
        if node.name.startswith("verify")
        and dotted(node.returns or ast.Constant(value=0)) == "bool"
    ]


def long_functions(text, limit=60):
    """Functions longer than a screen."""
    return [
        f"{node.name} ({node.end_lineno - node.lineno + 1})"
        for node in functions(ast.parse(text))
        if node.end_lineno - node.lineno + 1 > limit
    ]


def undocumented(text):
    """Public modules, classes and functions without a sentence."""
    tree = ast.parse(text)
    found = [] if ast.get_docstring(tree) else ["the module"]
    for node in tree.body:
        named = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if named and not node.name.startswith("_") and not ast.get_docstring(node):
            found.append(node.name)
    return found


def undocumented_tests(text):
    """Tests that do not say what they promise."""
    return [
        node.name
        for node in functions(ast.parse(text))
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
