"""Secrets in every sink, in small; and that the search is not blind."""

import pytest

from prismq_worker_sdk.decide.redaction import Redactor
from tests.prove import leaks
from tests.prove.canaries import FORMS, canaries, found

PLANTED = canaries("a test")


@pytest.mark.parametrize("number", [0, 3])
def test_no_secret_gets_into_any_sink(number):
    totals = leaks.figures([leaks.run(number, 96)])

    assert list(leaks.failures(totals)) == []
    assert totals["redacted"] > 100
    assert "worker's log" in leaks.table(totals)


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_secret_is_redacted_and_would_be_found(name, form):
    secret = PLANTED[name]
    written = FORMS[form](secret.text)

    assert found(secret, written)
    assert found(secret, Redactor([secret.text]).text(written)) == []


def test_a_leak_is_a_failure_of_the_proof():
    result = {
        "number": 0,
        "cases": 5,
        "sinks": {"log": 10},
        "redacted": 1,
        "leaks": ["log: there"],
        "leaked": 1,
    }

    assert list(leaks.failures(leaks.figures([result]))) == ["1 times a secret got out, first log: there"]


def test_a_sink_of_which_nothing_was_seen_is_a_failure_of_the_proof():
    result = {"number": 0, "cases": 5, "sinks": {"log": 0}, "redacted": 1, "leaks": [], "leaked": 0}

    assert list(leaks.failures(leaks.figures([result]))) == ["nothing was seen of log"]
