"""A folder of policies, read and checked as a whole.

Here: finding ``*.cedar`` files, parsing, validating against the shipped schema, the digest, and
every problem with its file and line. Not here: advice on sound policies (``policy_lint``).

Invariants:
- A set with one problem is refused whole: half a set may lack the ``forbid`` that matters.
- What the engine reads in a whole file is what was read statement by statement.
"""

from __future__ import annotations

import importlib.resources
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cedarpy

from protem.domain import canonical_json
from protem.domain.errors import InvalidError
from protem.policy.policy_bounds import check_bounds
from protem.policy.policy_rules import Rule, read_rule
from protem.policy.policy_text import Statement, conditions_of, split_statements

SUFFIX = ".cedar"
_ENGINE_PLACE = re.compile(r"^for policy `policy\d+`,? ?:? ?")
_QUOTED = re.compile(r"`(?:[^`]*?\"([^\"`]+)\"|([^`]+))`|([A-Za-z_]\w*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a policy set is refused, or what to reconsider in it.

    Attributes:
        source: ``file:line``, or the file alone.
        check: a stable word for what was checked.
    """

    source: str
    check: str
    message: str

    def __str__(self) -> str:
        return f"{self.source}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFolder:
    """What a folder holds; ``problems`` is empty when it may be used.

    Attributes:
        texts: what each file says, by its name.
    """

    rules: tuple[Rule, ...]
    problems: tuple[Problem, ...]
    digest: str
    texts: tuple[tuple[str, str], ...] = ()


@cache
def shipped_schema() -> cedarpy.Schema:
    """Return the schema that comes with the package."""
    text = importlib.resources.files("protem.policy").joinpath("protem.cedarschema").read_text()
    return cedarpy.Schema.from_str(text)


def read_folder(folder: Path) -> PolicyFolder:
    """Read every ``*.cedar`` file under ``folder``; dot files are skipped.

    Raises:
        InvalidError: when the folder or a file cannot be read.
    """
    return read_texts(_texts(folder))


def read_texts(texts: Sequence[tuple[str, str]]) -> PolicyFolder:
    """Read policies from pairs of file name and content."""
    rules: list[Rule] = []
    problems: list[Problem] = []
    for name, text in texts:
        _read_file(name, text, rules, problems)
    problems.extend(_repeated_ids(rules))
    return PolicyFolder(
        rules=tuple(rules),
        problems=tuple(problems),
        digest=canonical_json.digest([[name, text] for name, text in texts]),
        texts=tuple(texts),
    )


def _texts(folder: Path) -> list[tuple[str, str]]:
    if not folder.is_dir():
        raise InvalidError(f"there is no policy folder {folder}")
    texts = []
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        name = path.relative_to(folder)
        if any(part.startswith(".") for part in name.parts):
            continue
        try:
            texts.append((name.as_posix(), path.read_bytes().decode("utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidError(f"policy file {path} cannot be read: {error}") from error
    return texts


def _read_file(name: str, text: str, rules: list[Rule], problems: list[Problem]) -> None:
    statements = split_statements(text)
    trees: list[Any] = []
    for statement in statements:
        try:
            tree = _parse(statement)
            rules.append(
                read_rule(
                    tree,
                    source=f"{name}:{statement.line}",
                    conditions=conditions_of(statement),
                )
            )
            trees.append(tree)
        except (ValueError, InvalidError) as error:
            problems.append(_problem(name, statement, "syntax", str(error)))
        except RecursionError:
            problems.append(_problem(name, statement, "syntax", "the policy nests too deep"))
    if len(trees) == len(statements):
        problems.extend(_engine_problems(name, text, statements, trees))


def _parse(statement: Statement) -> dict[str, Any]:
    if not statement.closed:
        raise InvalidError("the policy does not end with ';'")
    check_bounds(statement)
    parsed = json.loads(cedarpy.policies_to_json_str(statement.text))
    if parsed["templates"]:
        raise InvalidError("templates (?principal, ?resource) are not supported")
    (tree,) = parsed["staticPolicies"].values()
    return dict(tree)


def _engine_problems(
    name: str, text: str, statements: Sequence[Statement], trees: Sequence[Any]
) -> Iterable[Problem]:
    """Validate a file, once it is sure that its parts are the whole."""
    whole = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    if [whole[f"policy{at}"] for at in range(len(whole))] != list(trees):
        yield Problem(source=name, check="syntax", message="the file cannot be split into policies")
        return
    for error in cedarpy.validate_policies(text, shipped_schema()).errors:
        statement = statements[int(error.policy_id.removeprefix("policy"))]
        yield _problem(name, statement, "schema", error.error)


def _problem(name: str, statement: Statement, check: str, message: str) -> Problem:
    said = _ENGINE_PLACE.sub("", message)
    words = [word for found in _QUOTED.findall(said) for word in found if word]
    line = statement.line_of(words)
    return Problem(source=f"{name}:{line}", check=check, message=said)


def _repeated_ids(rules: Sequence[Rule]) -> Iterable[Problem]:
    first: dict[str, Rule] = {}
    for rule in (rule for rule in rules if rule.named):
        known = first.setdefault(rule.id, rule)
        if known is not rule:
            yield Problem(
                source=rule.source,
                check="repeated-id",
                message=f"@id({rule.id!r}) is already used at {known.source}",
            )
