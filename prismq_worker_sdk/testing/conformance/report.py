"""What a run of checks comes to, for programs: JSON, and JUnit's XML for build servers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from prismq_worker_sdk.testing.conformance.runner import Outcome, Result
from prismq_worker_sdk.testing.conformance.server import Server

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def counts(results: Sequence[Result]) -> dict[str, int]:
    """How many checks ended how."""
    number = Counter(result.outcome for result in results)
    return {str(outcome): number[outcome] for outcome in Outcome}


def as_values(server: Server, results: Sequence[Result]) -> dict[str, Any]:
    """Everything, as plain values."""
    return {
        "url": server.url,
        "server": server.health.get("server"),
        "bundles": ["base", *server.announced],
        **counts(results),
        "checks": [
            {
                "name": result.check.name,
                "promise": result.check.promise,
                "outcome": str(result.outcome),
                "why": result.why or None,
                "seconds": round(result.seconds, 3),
                "calls": list(result.calls),
            }
            for result in results
        ],
    }


def as_junit(results: Sequence[Result]) -> str:
    """The XML that build servers read: a test suite for each bundle."""
    top = Element("testsuites", name="conformance")
    for bundle in dict.fromkeys(result.check.bundle for result in results):
        own = [result for result in results if result.check.bundle == bundle]
        number = counts(own)
        suite = SubElement(
            top,
            "testsuite",
            name=bundle,
            tests=str(len(own)),
            failures=str(number["failed"]),
            skipped=str(number["skipped"]),
            errors="0",
            time=f"{sum(result.seconds for result in own):.3f}",
        )
        for result in own:
            name, seconds = result.check.run.__name__, f"{result.seconds:.3f}"
            case = SubElement(suite, "testcase", classname=f"conformance.{bundle}", name=name, time=seconds)
            if result.outcome is Outcome.FAILED:
                failure = SubElement(case, "failure", message=_clean(result.why))
                failure.text = _clean("\n".join((result.check.promise, *result.calls)))
            elif result.outcome is Outcome.SKIPPED:
                SubElement(case, "skipped", message=_clean(result.why))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(top, encoding="unicode")}\n'


def _clean(text: str) -> str:
    """The text without characters that XML cannot carry."""
    return _NO_XML.sub("\ufffd", text)
