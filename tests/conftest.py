"""What every run says about itself: the servers at hand, and loudly what did not run."""

import os

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


def pytest_terminal_summary(terminalreporter):
    """List every test that did not run, with its reason and a count."""
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
