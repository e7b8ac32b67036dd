"""With PRISMQ_REQUIRE_ALL=1 no test may be skipped: one that is counts as failed, in `tests` and in every plugin.

It stands here, above all of them, because pytest asks the hooks of a conftest only about what lies below it.
"""

import os
from collections.abc import Generator

import pytest

REQUIRE_ALL = "PRISMQ_REQUIRE_ALL"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that was skipped; one that was expected to fail and did is none."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _refuse(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A whole file that was skipped."""
    report = yield
    _refuse(report)
    return report


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Makes a skip a failure that says what the test would need."""
    if not report.skipped or os.environ.get(REQUIRE_ALL, "0") in {"", "0"}:
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = (
        f"{report.nodeid} was not run ({reason.removeprefix('Skipped: ')}), and {REQUIRE_ALL} wants every test to "
        f"run: give this machine what is missing, or run without {REQUIRE_ALL}"
    )
