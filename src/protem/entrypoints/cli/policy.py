"""``protem policy test|explain|lint``: work on a policy folder without a server.

Here: arguments, and how results are shown. Not here: deciding, linting or comparing
(``protem.policy``), which load when a command runs; ``replay``, which needs a server's store
(``policy_replay``).

Invariants: data on standard output, talk on standard error; text from files is shown escaped.
Exit codes: 0 fine, 1 a failed example, a refused set or an error, 2 usage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from protem.domain.errors import InvalidError, NotFoundError
from protem.domain.untrusted_text import printable
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.invocation import FORMATS
from protem.entrypoints.cli.policy_replay import replay_command

if TYPE_CHECKING:
    from protem.domain.decisions import Decision, Question
    from protem.policy.policy_cases import CaseResult
    from protem.policy.policy_folder import Problem

_MARKS = {"satisfied": "+", "unsatisfied": "-", "failed": "!"}


@click.group(name="policy", short_help="test, explain, lint and replay a policy folder")
def command() -> None:
    """Work on a folder of policies."""


command.add_command(replay_command)


_output_option = click.option("-o", "--output", type=click.Choice(FORMATS), help="Default: table.")
_folder_argument = click.argument("folder", type=click.Path(path_type=Path))


@command.command("lint")
@_folder_argument
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option("--production", default="env=prod", show_default=True, help="Label of production.")
@_output_option
@click.pass_context
def lint_command(
    context: click.Context, folder: Path, *, strict: bool, production: str, output: str | None
) -> None:
    """Check FOLDER against the schema, and for rules that may not be what was meant."""
    _require_engine()
    from protem.policy.policy_folder import read_folder  # start-up time
    from protem.policy.policy_lint import lint  # start-up time

    read = read_folder(folder)
    errors: Sequence[Problem] = read.problems
    warnings: Sequence[Problem] = [] if errors else lint(read, production)
    levels = [("error", found) for found in errors] + [("warning", found) for found in warnings]
    if (shape := _format(context, output)) != "table":
        problems = [
            {
                "level": level,
                "check": found.check,
                "source": found.source,
                "message": found.message,
            }
            for level, found in levels
        ]
        _print_document(
            {"problems": problems, "rules": len(read.rules), "policy_digest": read.digest}, shape
        )
    else:
        for level, found in levels:
            click.echo(
                f"{printable(found.source)}: {level}: {printable(found.message)} [{found.check}]"
            )
        counts = f"{len(read.rules)} rules, {len(errors)} errors, {len(warnings)} warnings"
        click.echo(counts, err=True)
    context.exit(1 if errors or (strict and warnings) else 0)


@command.command("test")
@_folder_argument
@_output_option
@click.pass_context
def test_command(context: click.Context, folder: Path, output: str | None) -> None:
    """Ask the example requests in FOLDER/*.tests.toml and compare the answers."""
    _require_engine()
    from protem.policy.cedar_policy import CedarPolicy  # start-up time
    from protem.policy.policy_cases import read_cases, run_cases  # start-up time

    policy = CedarPolicy.load(folder)
    results = run_cases(policy, read_cases(folder))
    failed = [result for result in results if not result.passed]
    if (shape := _format(context, output)) != "table":
        _print_document(
            {
                "tests": len(results),
                "failed": len(failed),
                "cases": [_case_document(result) for result in results],
                "policy_digest": policy.digest,
            },
            shape,
        )
    else:
        for result in results:
            _print_case(result)
    if not results:
        click.echo("no example request found in *.tests.toml; that is a failure", err=True)
    click.echo(f"{len(results)} tests, {len(failed)} failed", err=True)
    context.exit(1 if failed or not results else 0)


@command.command("explain")
@_folder_argument
@click.option("--case", "case_name", metavar="NAME", help="An example request, by its name.")
@click.option(
    "--set",
    "facts",
    metavar="KEY=VALUE",
    multiple=True,
    help="A fact as in an example request, in TOML: --set 'groups=[\"engineers\"]'. Repeatable;"
    " changes the case when one is named.",
)
@_output_option
@click.pass_context
def explain_command(
    context: click.Context,
    folder: Path,
    *,
    case_name: str | None,
    facts: tuple[str, ...],
    output: str | None,
) -> None:
    """Say which rules decide a request, and what is missing.

    \b
    protem policy explain examples/policy --case "prod: a write needs a ticket"
    protem policy explain examples/policy --set 'groups=["engineers"]' --set 'labels={env="prod"}'
    """  # noqa: D301  # the mark is Click's, for lines that are not to be wrapped
    _require_engine()
    from protem.policy.cedar_policy import CedarPolicy  # start-up time

    if case_name is None and not facts:
        raise click.UsageError("name a case with --case, or facts with --set")
    policy = CedarPolicy.load(folder)
    decision = policy.explain(_question(folder, case_name, facts))
    if (shape := _format(context, output)) != "table":
        _print_document({"decision": decision.to_json()}, shape)
    else:
        _print_decision(decision)


def _question(folder: Path, case_name: str | None, facts: Sequence[str]) -> Question:
    from protem.policy.policy_cases import (  # start-up time
        question_of_facts,
        read_case_facts,
    )

    given: dict[str, Any] = {}
    if case_name is not None:
        known = read_case_facts(folder)
        if case_name not in known:
            names = "; ".join(sorted(known)) or "none"
            raise NotFoundError(f"there is no case {case_name!r}; there are: {names}")
        given.update(known[case_name])
    given.update(_parse_facts(facts))
    return question_of_facts(given)


def _parse_facts(facts: Sequence[str]) -> dict[str, Any]:
    import tomllib  # start-up time

    parsed: dict[str, Any] = {}
    for fact in facts:
        key, equals, value = fact.partition("=")
        if not equals:
            raise click.UsageError(f"--set takes KEY=VALUE, not {fact!r}")
        try:
            parsed.update(tomllib.loads(f"{key} = {value}"))
        except tomllib.TOMLDecodeError:
            parsed[key.strip()] = value
    return parsed


def _require_engine() -> None:
    from importlib.util import find_spec  # start-up time

    if find_spec("cedarpy") is None or find_spec("pydantic") is None:
        raise InvalidError(
            "policies are evaluated by parts that come with the server",
            next_step="pip install 'protem[server]'",
        )


def _format(context: click.Context, output: str | None) -> str:
    """Return the format asked here, else the one asked of the whole program."""
    return output or getattr(context.find_root().obj, "output", None) or "table"


def _print_document(fields: Mapping[str, Any], output: str) -> None:
    click.echo(document(fields, output))


def _case_document(result: CaseResult) -> dict[str, Any]:
    return {
        "name": result.case.name,
        "source": result.case.source,
        "passed": result.passed,
        "differences": [
            {"field": field, "expected": expected, "decided": decided}
            for field, expected, decided in result.differences
        ],
        "decision": result.decision.to_json(),
    }


def _print_case(result: CaseResult) -> None:
    mark = "ok    " if result.passed else "FAILED"
    click.echo(f"{mark}  {printable(result.case.name)}")
    for field, expected, decided in result.differences:
        click.echo(f"        {field}:")
        click.echo(f"          - expected  {printable(expected) or '(nothing)'}")
        click.echo(f"          + decided   {printable(decided) or '(nothing)'}")
    if not result.passed:
        _print_findings(result.decision, "        ")


def _print_decision(decision: Decision) -> None:
    from protem.domain.durations import format_duration  # start-up time
    from protem.policy.policy_cases import describe_approval  # start-up time

    click.echo(str(decision.outcome).replace("_", " "))
    for need in decision.approvals:
        click.echo(f"  approval by {describe_approval(need)} (rule {printable(need.rule)})")
    if decision.longest is not None:
        click.echo(f"  at most {format_duration(decision.longest)}")
    _print_findings(decision, "  ")


def _print_findings(decision: Decision, indent: str) -> None:
    for found in decision.findings:
        where = f" ({printable(found.source)})" if found.source else ""
        mark = _MARKS[str(found.status)]
        click.echo(f"{indent}{mark} {printable(found.rule)}{where}: {printable(found.message)}")
        if found.next_step:
            click.echo(f"{indent}  try: {printable(found.next_step)}")
