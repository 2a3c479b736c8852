"""What every run says about itself: the servers at hand, and loudly what did not run."""

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

from protem.testing import postgresql_server

# A test says right or wrong; how fast is a benchmark's question, and machines are shared.
settings.register_profile("protem", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("protem")


def pytest_report_header():
    """Name the real PostgreSQL servers that tests will start."""
    found = postgresql_server.find_binaries()
    versions = ", ".join(str(version) for version in sorted(found)) or "none"
    return f"PostgreSQL servers at hand: {versions}"


LONGEST = (
    "test_kill_nine.py",
    "test_kill_nine_twice.py",
    "test_disk_faults.py",
    "test_grant_protocol.py",
    "test_stopped_processes.py",
    "test_durability.py",
)
"""Files that take minutes, longest first."""


def pytest_collection_modifyitems(items):
    """Begin with what takes longest, so that nobody waits for one worker at the end."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


@pytest.fixture
def faults_counted(request):
    """Count what was injected, or found: the sums are told at the end of the run."""

    def count(what, number):
        request.node.user_properties.append(("fault", (what, number)))

    return count


def pytest_terminal_summary(terminalreporter):
    """Tell what was injected; list every test that did not run, with its reason and a count."""
    reports = terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", [])
    sums = Counter()
    for kind, (what, number) in (p for report in reports for p in report.user_properties):
        if kind == "fault":
            sums[what] += number
    if sums:
        terminalreporter.section("FAULTS")
        for what, number in sorted(sums.items()):
            terminalreporter.line(f"{number:>10,}  {what}")
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("NOT RUN")
        for report in skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            terminalreporter.line(f"{report.nodeid}: {reason}")
        terminalreporter.line(f"{len(skipped)} tests did not run")


def pytest_sessionfinish(session):
    """Where everything can be had, a test that did not run is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped and os.environ.get("PROTEM_TESTS_SKIP_NOTHING"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
