"""How deep and how long one policy may be, told from its words alone, before the engine reads it.

Here: three bounds on a statement. Not here: what it says. The engine descends once per bracket and
once per link of a chain such as ``a && b && c``, on the thread's own stack, and a stack that is
used up ends the whole process: a policy of 20 kB could stop a server that only reads it. A path of
attributes costs it the cube of its length.

Invariants: what passes is read on a stack of 1 MiB; a test holds every form at the bound to that.
"""

from __future__ import annotations

from protem.domain.errors import InvalidError
from protem.policy.policy_text import Statement

MOST_NESTED = 40
MOST_OPERATORS = 300
MOST_IN_PATH = 20
_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")
_OPERATORS = frozenset(
    {"&&", "||", "+", "-", "*", "!", ".", "==", "!=", "<", "<=", ">", ">="}
    | {"if", "in", "is", "has", "like"}
)


def check_bounds(statement: Statement) -> None:
    """Return when ``statement`` may be handed to the engine.

    Raises:
        InvalidError: when it nests too deep or chains too much.
    """
    depth = operators = path = 0
    for token in statement.tokens:
        path = path + 1 if token.text == "." else path * token.text.isidentifier()
        if path > MOST_IN_PATH:
            raise InvalidError(f"the policy follows a path of more than {MOST_IN_PATH} attributes")
        operators += token.text in _OPERATORS
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if depth > MOST_NESTED:
            raise InvalidError(f"the policy nests more than {MOST_NESTED} brackets deep")
    if operators > MOST_OPERATORS:
        raise InvalidError(
            f"the policy holds {operators} operators, more than the {MOST_OPERATORS} of one policy;"
            " split it into several"
        )
