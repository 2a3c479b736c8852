"""Each house rule finds its offence and lets the right way pass."""

import pytest

from . import rules

CASES = [
    (rules.reads_a_clock, "datetime.now(UTC)", "clock.now()"),
    (rules.reads_a_clock, "time.time()", "time.monotonic()"),
    (rules.imports_chance, "import random", "import secrets"),
    (rules.imports_chance, "from random import choice", "from secrets import choice"),
    (rules.starts_a_shell, "run('ls', shell=True)", "run(['ls'])"),
    (rules.starts_a_shell, "os.system('ls')", "run(['ls'], shell=False)"),
    (rules.formats_sql, "c.execute(f'drop role {x}')", "c.execute(SQL('drop role {}').format(i))"),
    (rules.formats_sql, "c.execute('drop role %s' % x)", "c.execute('select %s', [x])"),
    (rules.formats_sql, "c.execute('drop role {}'.format(x))", "c.execute(DROP)"),
    (rules.formats_sql, "c.execute('drop role ' + x)", "log('drop role ' + x)"),
    (
        rules.swallows_everything,
        "try:\n  f()\nexcept Exception:\n  pass",
        "try:\n  f()\nexcept Exception:\n  raise",
    ),
    (
        rules.swallows_everything,
        "try:\n  f()\nexcept:\n  pass",
        "try:\n  f()\nexcept ValueError:\n  pass",
    ),
    (
        rules.verifies_by_boolean,
        "def verify_log(x) -> bool: ...",
        "def verify_log(x) -> Report: ...",
    ),
    (rules.long_functions, "def f():\n" + "  x = 1\n" * 61, "def f():\n" + "  x = 1\n" * 59),
    (rules.undocumented, '"""M."""\ndef f(): ...', '"""M."""\ndef f():\n  """Say."""'),
    (rules.undocumented, "x = 1", '"""M."""'),
    (rules.undocumented_tests, "def test_x(): ...", 'def test_x():\n  """It is so."""'),
]


@pytest.mark.parametrize(("rule", "wrong", "right"), CASES)
def test_the_rule_bites_and_lets_pass(rule, wrong, right):
    """The wrong way is found, the right way is not."""
    assert rule(wrong)
    assert not rule(right)
