"""Whether a statement may be tried before it is approved, told from the server's own analysis.

Here: the one statement, and what stands against an EXPLAIN or a dry run of it. Not here: trying it
(the connector), which looks again at what its tables would run.

Invariants: what may have an effect that no rollback takes back, or run code whose text nobody has
read, is an obstacle; so is a count that would tell of something else than what is changed.
"""

from __future__ import annotations

from collections.abc import Sequence

from protem.domain.evidence import Rehearsal
from protem.domain.plans import Finding
from protem.domain.scopes import Scope
from protem.planners.postgresql import lexer
from protem.planners.postgresql.needs import Needs
from protem.planners.postgresql.statements import Statement

_RUN_WHILE_PLANNED = frozenset(
    {"security_definer", "unseen_function", "runs_text", "reads_server_files", "reaches_network"}
)
"""The server evaluates what is declared immutable or stable already to plan with it."""
_RUN_WHEN_EXECUTED = _RUN_WHILE_PLANNED | {
    "volatile_function",
    "large_object",
    "rewrite_rule",
    "row_policy",
    "unseen_sequence",
    "trigger",
}
_ROLLED_BACK_NEVER = "it draws from a sequence, which no rollback takes back"
_COUNTS_ELSE = "it changes data inside of WITH, so that its count of rows would tell little"


def rehearsal_of(
    statements: Sequence[Statement], needs: Sequence[Needs], scope: Scope, found: Sequence[Finding]
) -> Rehearsal | None:
    """Return what may be tried of a command; None unless it is one statement as it stands."""
    if len(statements) != 1 or len(needs) != 1 or statements[0].analysed != statements[0].text:
        return None
    return Rehearsal(
        statement=statements[0].text,
        not_explained=_first(found, _RUN_WHILE_PLANNED),
        not_run=(
            _first(found, _RUN_WHEN_EXECUTED)
            or (_ROLLED_BACK_NEVER if any(one.kind == "sequence" for one in scope) else "")
            or (_COUNTS_ELSE if _writes_below(statements[0], needs[0]) else "")
        ),
    )


def _first(found: Sequence[Finding], codes: frozenset[str]) -> str:
    return next((f"it {each.message}" for each in found if each.code in codes), "")


def _writes_below(statement: Statement, needs: Needs) -> bool:
    """Say whether a part of the statement may write; the word WITH elsewhere counts as well."""
    return bool(needs.writes) and any(
        token.keyword == "with" for token in lexer.tokens_of(statement.text)
    )
