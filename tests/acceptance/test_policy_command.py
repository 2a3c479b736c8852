"""``protem policy`` as a person and a script meet it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from protem.domain.errors import InvalidError, NotFoundError
from protem.entrypoints.cli.policy import command

EXAMPLES = Path(__file__).parents[2] / "examples" / "policy"
ASK = 'permit (principal, action == Protem::Action::"request", resource)'


def run(*arguments):
    """Run the group; our own errors propagate to the program's boundary."""
    result = CliRunner().invoke(command, [str(part) for part in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def folder_with(tmp_path, policies, tests=None):
    """Write a policy folder."""
    (tmp_path / "a.cedar").write_text(policies)
    if tests is not None:
        (tmp_path / "a.tests.toml").write_text(tests)
    return tmp_path


def test_examples_pass_and_are_clean():
    """The shipped set passes its tests and raises no warning."""
    tested = run("test", EXAMPLES)
    assert tested.exit_code == 0
    assert "tests, 0 failed" in tested.stderr
    linted = run("lint", EXAMPLES, "--strict")
    assert linted.exit_code == 0
    assert linted.stdout == ""


def test_failing_example_shows_both_sides_and_fails(tmp_path):
    """A difference is printed as expected and decided, with the rules; the exit code is 1."""
    tests = '[[case]]\nname = "x"\nexpect = { outcome = "allowed" }\n'
    folder = folder_with(tmp_path, f'@id("ask") {ASK};', tests)
    result = run("test", folder)
    assert result.exit_code == 1
    assert "FAILED  x" in result.stdout
    assert "- expected  allowed" in result.stdout
    assert "+ decided   needs_approval" in result.stdout
    assert "ask (a.cedar:1)" in result.stdout
    document = json.loads(run("test", folder, "-o", "json").stdout)
    assert (document["version"], document["tests"], document["failed"]) == (1, 1, 1)


def test_no_example_is_a_failure(tmp_path):
    """Zero tests do not pass."""
    result = run("test", folder_with(tmp_path, f"{ASK};"))
    assert result.exit_code == 1
    assert "0 tests" in result.stderr


@pytest.mark.parametrize(
    ("tests", "words"),
    [
        ('[[case]]\nname = "x"\nexpect = { outcom = "denied" }', "outcom"),
        ('[[case]]\nname = "x"\ngrups = []\nexpect = { outcome = "denied" }', "grups"),
        ('[[case]]\nexpect = { outcome = "denied" }', "name of its own"),
        ('[[cases]]\nname = "x"', "cases"),
        ('[[case]]\nname = "x"\nduration = "90"\nexpect = { outcome = "denied" }', "duration"),
        ("[[case", "cannot be read"),
    ],
)
def test_misspelt_example_is_refused(tmp_path, tests, words):
    """An example that does not say what it means is an error, not a pass."""
    with pytest.raises(InvalidError, match=words):
        run("test", folder_with(tmp_path, f"{ASK};", tests))


def test_lint_reports_what_load_refuses(tmp_path):
    """Errors come with file and line, in text and JSON, and exit code 1."""
    folder = folder_with(tmp_path, f"\n{ASK} when {{ context.onkall }};")
    result = run("lint", folder)
    assert result.exit_code == 1
    assert result.stdout.startswith("a.cedar:2: error: ")
    (problem,) = json.loads(run("lint", folder, "-o", "json").stdout)["problems"]
    assert (problem["level"], problem["check"], problem["source"]) == (
        "error",
        "schema",
        "a.cedar:2",
    )


@pytest.mark.parametrize(
    ("policies", "checks"),
    [
        ("", ["empty"]),
        (f"{ASK};", ["missing-id", "no-ceiling", "no-approvals"]),
        (
            f'@id("a") @max_duration("1h") @approvals("1") @approvers("dba") {ASK};',
            ["unreachable-approvers"],
        ),
        (
            '@id("a") permit (principal, action, resource in Protem::Label::"env=lab");',
            ["glass-by-accident"],
        ),
        (
            f'@id("a") {ASK} unless {{ resource in Protem::Label::"env=prod" }};',
            [],
        ),
        (
            (
                '@id("a") permit (principal, action == Protem::Action::"request",'
                ' resource in Protem::Label::"env=lab");'
            ),
            [],
        ),
    ],
)
def test_lint_warns(tmp_path, policies, checks):
    """Each warning is raised where it should be, and only there; strict makes it a failure."""
    folder = folder_with(tmp_path, policies)
    problems = json.loads(run("lint", folder, "-o", "json").stdout)["problems"]
    assert [problem["check"] for problem in problems] == checks
    assert run("lint", folder).exit_code == 0
    assert run("lint", folder, "--strict").exit_code == (1 if checks else 0)


def test_explain_by_case_and_by_facts_agree():
    """A case and the same facts by hand have the same explanation."""
    by_case = run("explain", EXAMPLES, "--case", "prod: a write needs a ticket")
    by_hand = run(
        "explain",
        EXAMPLES,
        *("--set", 'groups=["engineers"]'),
        *("--set", 'labels={env="prod", owner="payments"}'),
        *("--set", 'traits=["writes"]'),
        *("--set", "reason=customer 7"),
    )
    assert by_case.exit_code == 0
    assert by_case.stdout == by_hand.stdout
    assert "try: --ticket ID" in by_case.stdout


def test_explain_changes_a_case():
    """Facts given beside a case replace its own."""
    arguments = ("explain", EXAMPLES, "--case", "prod: a write needs a ticket", "-o", "json")
    document = json.loads(run(*arguments, "--set", "ticket=INC-1").stdout)
    assert document["decision"]["outcome"] == "needs_approval"


def test_explain_without_a_question_is_a_usage_error():
    """Nothing to explain, or a case that is not there, is said so."""
    assert run("explain", EXAMPLES).exit_code == 2
    assert run("explain", EXAMPLES, "--set", "nonsense").exit_code == 2
    with pytest.raises(NotFoundError, match="there is no case"):
        run("explain", EXAMPLES, "--case", "x")
    with pytest.raises(InvalidError, match="grups"):
        run("explain", EXAMPLES, "--set", "grups=[]")


def test_text_of_files_cannot_act_on_the_terminal(tmp_path):
    """Escapes and bidi marks of a case's name are shown, not obeyed."""
    tests = '[[case]]\nname = "a\\u001b[2J\\u202e"\nexpect = { outcome = "needs_approval" }\n'
    result = run("test", folder_with(tmp_path, f"{ASK};", tests))
    assert "a\\x1b[2J\\u202e" in result.stdout
