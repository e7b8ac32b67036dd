"""Foreign patterns are matched in bounded time: by the linear engine, else in a process that can be ended."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from prismq_worker_sdk.errors import InvalidParams, SchemaError
from prismq_worker_sdk.handlers import patterns
from prismq_worker_sdk.handlers.linear import linear
from prismq_worker_sdk.handlers.match_process import MatchProcesses, command
from prismq_worker_sdk.handlers.patterns import CheckTimeout, Matcher, NeedsTime
from prismq_worker_sdk.handlers.values import ParamsSpec

SILENT = """
import os, pathlib, socket, sys
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
worker = socket.socket(fileno=0)
worker.send(b"r")
while worker.recv(65536):
    pass
"""
"""Says that it is ready, and never anything again."""

LOOKAHEAD = "^(?=a)"
"""Harmless, and beyond a linear engine."""


def silent(place: Path) -> MatchProcesses:
    return MatchProcesses(lambda: [sys.executable, "-c", SILENT, str(place)])


@pytest.fixture
def no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Matches that need a process are never decided; the file names the process."""
    monkeypatch.setattr(patterns, "SECONDS", 0.2)
    monkeypatch.setattr(patterns, "_PROCESSES", silent(tmp_path / "pid"))
    return tmp_path / "pid"


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever would start a process fails."""

    def refused() -> list[str]:
        raise AssertionError("a process is asked for")

    monkeypatch.setattr(patterns, "_PROCESSES", MatchProcesses(refused))


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^https?://", "https://example.org", True),
        ("^[a-z]{2}$", "de", True),
        ("^[a-z]{2}$", "de\n", False),
        (r"^\w+$", "größe", True),
        (r"^\d+$", "1²", False),
        ("(?i)^ab", "ABC", True),
        ("(?m)^b", "a\nb", True),
        (r"(?x) a \s b  # a comment", "a b", True),
        (r"\bword\b", "a word here", True),
        ("[]a]", "]", True),
        ("a.b", "a\nb", False),
        ("(?s)a.b", "a\nb", True),
        ("(?:ab|cd){2,}", "abcd", True),
        ("", "anything", True),
    ],
)
@pytest.mark.usefixtures("no_process")
def test_what_a_linear_engine_can_express_needs_no_process(pattern: str, text: str, found: bool) -> None:
    assert Matcher().search(pattern, text) is found


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^(?=a)", "abc"),
        ("(?<!x)a", "a"),
        (r"(a)\1", "aa"),
        (r"a\Bb", "ab"),
        ("(?i)é", "É"),
        ("(?i)k", "\u212a"),
        (r"\bé", "é"),
        ("(?:a{0,1000}){0,1000}", ""),
        ("\ud800", "a\ud800"),
    ],
)
def test_what_a_linear_engine_cannot_express_is_matched_in_a_process(pattern: str, text: str) -> None:
    with pytest.raises(NeedsTime):
        Matcher(0).search(pattern, text)
    assert Matcher().search(pattern, text)
    assert not Matcher().search(pattern, "\n") or pattern.endswith("{0,1000}")


def test_a_text_that_is_too_long_for_the_steps_of_one_check_goes_to_a_process() -> None:
    text = "b" * (patterns.STEPS // 100)
    assert Matcher(0).search("^a{1,9}", text) is False
    with pytest.raises(NeedsTime):
        Matcher(0).search("[a-z]{1,1000}c", text)


def test_the_steps_are_those_of_all_matches_of_one_check() -> None:
    matcher, text = Matcher(0), "b" * (patterns.STEPS // 100)
    for _time in range(9):
        assert matcher.search("a{1,9}", text) is False
    with pytest.raises(NeedsTime):
        matcher.search("a{1,9}", text)


def test_a_process_that_does_not_answer_is_ended(tmp_path: Path) -> None:
    with pytest.raises(CheckTimeout, match=r"took longer than 0\.2 s"):
        Matcher(0.2, processes=silent(tmp_path / "pid")).search(LOOKAHEAD, "abc")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_once_the_time_of_a_check_is_used_up_nothing_more_is_asked(tmp_path: Path) -> None:
    matcher = Matcher(0.2, processes=silent(tmp_path / "pid"))
    with pytest.raises(CheckTimeout):
        matcher.search(LOOKAHEAD, "abc")
    (tmp_path / "pid").unlink()
    with pytest.raises(CheckTimeout):
        matcher.search(LOOKAHEAD, "abc")
    assert not (tmp_path / "pid").exists()


def test_a_process_is_kept_for_the_next_match() -> None:
    starts: list[list[str]] = []
    processes = MatchProcesses(counted(starts))
    for text in ("abc", "bcd"):
        assert Matcher(processes=processes).search(LOOKAHEAD, text) is text.startswith("a")
    processes.close()
    assert len(starts) == 1


def test_a_process_that_ended_while_it_was_idle_is_replaced(tmp_path: Path) -> None:
    starts: list[list[str]] = []
    once = f"import os, sys; sys.path[:] = {sys.path!r}\nfrom prismq_worker_sdk.handlers import match_process as m\n"
    once += "m.json = type('J', (), {'loads': staticmethod(lambda _data: ('a', 'a', 5))})\n"
    once += "m._end_after = lambda seconds: seconds or __import__('threading').Timer(0.05, os._exit, (0,)).start()\n"
    once += "m.main()"
    processes = MatchProcesses(
        lambda: starts.append([]) or ([sys.executable, "-c", once] if len(starts) == 1 else command())
    )  # type: ignore[func-returns-value]
    assert processes.search("a", "a", 30)
    (ended,) = processes._idle
    ended._process.wait(30)
    assert processes.search(LOOKAHEAD, "b", 30) is False
    processes.close()
    assert len(starts) == 2


def test_a_process_that_cannot_be_started_is_told_as_such() -> None:
    processes = MatchProcesses(lambda: [sys.executable, "-c", "pass"])
    with pytest.raises(OSError, match="ended by itself"):
        processes.search("a", "a", 5)


@pytest.mark.parametrize(
    ("schema", "params", "pointer"),
    [
        ({"properties": {"a": {"pattern": LOOKAHEAD}}}, {"x": 1, "a": "b"}, "/a"),
        ({"properties": {"a": {"items": {"pattern": LOOKAHEAD}}}}, {"a": [1, "b"]}, "/a/1"),
        ({"patternProperties": {LOOKAHEAD: False}}, {"b": 1}, "/b"),
        ({"propertyNames": {"pattern": LOOKAHEAD}}, {"b/c": 1}, "/b~1c"),
        ({"patternProperties": {LOOKAHEAD: {}}, "additionalProperties": False}, {"b": 1}, "/b"),
        ({"patternProperties": {LOOKAHEAD: {}}, "unevaluatedProperties": False}, {"b": 1}, "/b"),
        ({"not": {"properties": {"a": {"pattern": LOOKAHEAD}}}}, {"a": "b"}, "/a"),
    ],
)
@pytest.mark.usefixtures("no_answer")
def test_params_whose_match_is_not_decided_in_time_are_refused_by_their_pointer(
    schema: dict[str, object], params: dict[str, object], pointer: str
) -> None:
    with pytest.raises(InvalidParams) as refused:
        ParamsSpec.of({"type": "object", **schema}).check(params)
    (fault,) = refused.value.faults
    assert fault.pointer == pointer
    assert "took longer than 0.2 s" in fault.message


@pytest.mark.usefixtures("no_answer")
def test_the_form_of_the_mission_is_matched_in_bounded_time_too() -> None:
    with pytest.raises(InvalidParams, match=r"/a: matching its pattern took longer"):
        ParamsSpec.of({"a": {"type": "string", "pattern": LOOKAHEAD}}).parse({"a": "b"})


@pytest.mark.usefixtures("no_answer")
def test_a_default_whose_match_is_not_decided_in_time_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"default of parameter 'a' .* took longer"):
        ParamsSpec.of({"a": {"type": "string", "pattern": LOOKAHEAD, "default": "b"}})


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}", "(" * 5000, "a" * 16385])
@pytest.mark.parametrize("keyword", ["pattern", "patternProperties"])
def test_a_pattern_that_nobody_can_match_is_refused_with_its_schema(pattern: str, keyword: str) -> None:
    own = {"pattern": pattern} if keyword == "pattern" else {"patternProperties": {pattern: {}}}
    with pytest.raises(SchemaError, match=r"^the schema (has a pattern|cannot be read|is no JSON Schema)"):
        ParamsSpec.of({"type": "object", "properties": {"a": own}})


def test_the_end_of_a_name_is_the_end_of_the_text_as_for_values() -> None:
    spec = ParamsSpec.of({"type": "object", "patternProperties": {"^a$": {"type": "integer"}}})
    spec.check({"a": 1, "a\n": "text"})


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ([1, True, "1", None, [1], {"a": 1}], True),
        ([1, 1.0], False),
        ([{"a": 1, "b": 2}, {"b": 2, "a": 1}], False),
    ],
)
def test_items_are_unique_as_json_has_it(items: list[object], unique: bool) -> None:
    spec = ParamsSpec.of({"type": "object", "properties": {"a": {"uniqueItems": True}}})
    if unique:
        spec.check({"a": items})
    else:
        with pytest.raises(InvalidParams, match="non-unique"):
            spec.check({"a": items})


def test_the_cost_of_a_pattern_grows_with_its_repeats() -> None:
    small, large = linear("a{1,10}"), linear("(?:a{1,10}){1,10}")
    assert small is not None
    assert large is not None
    assert large.cost > 9 * small.cost


def counted(starts: list[list[str]]) -> Callable[[], list[str]]:
    def start() -> list[str]:
        starts.append(command())
        return starts[-1]

    return start


DOUBLING = {
    "$defs": {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(8)} | {"d8": False},
    "properties": {"a": {"$ref": "#/$defs/d0"}},
    "type": "object",
}
"""Each level doubles what there is to look at; so few levels are harmless."""


def test_a_check_that_looks_at_too_much_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "FEW_KEYWORDS", 200)
    monkeypatch.setattr(patterns, "KEYWORDS", 200)
    with pytest.raises(InvalidParams, match="takes more than 200 steps"):
        ParamsSpec.of(DOUBLING).check({"a": 1})
    with pytest.raises(NeedsTime):
        ParamsSpec.of(DOUBLING).check({"a": 1}, Matcher(0))
