"""The JSON log: every line is one JSON object, whatever is logged."""

import io
import json
import logging
import sys
import threading
import warnings
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismq_worker_sdk.compat import datetime_from_iso
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.model.events import TaskRef
from prismq_worker_sdk.observe.log_setup import log_handler
from tests.support.task_scope import task_scope

ALWAYS = ["ts", "level", "logger", "message", "worker", "task", "type", "attempt"]


class Unshowable:
    def __str__(self):
        raise RuntimeError("cannot be shown")

    __repr__ = __str__


class UnspeakableError(Exception):
    def __str__(self):
        raise RuntimeError("cannot be told")


TEXTS = st.one_of(
    st.text(),
    st.text(
        st.sampled_from(
            '\0\x07\x1b\n\r\t\v\f\x1c\x1e\x7f\x85\u2028\u2029\ud800\udfff\ufeff"\\%{}é\U0001f600'
        ),
        max_size=20,
    ),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXTS,
    st.binary(),
    st.builds(Unshowable),
    st.builds(UnspeakableError),
    st.builds(lambda: 10**5000),
    st.sampled_from([..., int, {1, "a"}]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(TEXTS, st.integers(), st.tuples(st.integers()), st.none()), inner, max_size=3
        ),
    ),
    max_leaves=6,
)
FIELDS = st.dictionaries(
    st.one_of(TEXTS, st.sampled_from([*ALWAYS, "event"]), st.tuples(st.integers())), VALUES, max_size=3
)


def written(log_format, encoding="utf-8"):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="\n", write_through=True)
    handler = log_handler(log_format, Redactor(["some-known-secret"]), "worker-1", stream)
    failed = []
    handler.handleError = failed.append
    logger = logging.Logger("third.party")  # noqa: LOG001 - it leaves no trace in the process
    logger.addHandler(handler)
    return logger, lambda: (raw.getvalue().decode(encoding), failed)


@given(
    st.one_of(TEXTS, VALUES),
    st.lists(VALUES, max_size=3),
    st.one_of(FIELDS, VALUES),
    st.booleans(),
    st.booleans(),
)
def test_every_record_is_one_json_object_on_one_line(message, arguments, fields, raised, stack):
    logger, out = written("json")
    error = UnspeakableError("x") if raised else None
    logger.error(
        message, *arguments, extra={"fields": fields, "task": message}, exc_info=error, stack_info=stack
    )
    text, failed = out()

    assert failed == []
    assert text.endswith("\n")
    (line,) = text.splitlines()
    found = json.loads(line, parse_constant=pytest.fail)
    assert list(found)[: len(ALWAYS)] == ALWAYS
    assert found["worker"] == "worker-1"
    assert ("exception" in found) >= (raised or stack)


@given(TEXTS, FIELDS)
def test_a_console_record_is_written_whatever_it_holds(message, fields):
    logger, out = written("console")
    logger.error("%s", message, extra={"fields": fields}, exc_info=UnspeakableError("x"))
    text, failed = out()

    assert failed == []
    assert text.endswith("\n")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_huge_record_is_cut_and_its_fields_are_written_whole(log_format):
    logger, out = written(log_format)
    logger.error("%s", "x" * 500_000, extra={"fields": {"many": list(range(100_000))}})
    text, failed = out()

    assert failed == []
    assert "x" * 60_000 in text
    assert "… (500000 characters)" in text
    assert "99999" in text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_line_is_json_on_a_stream_of_any_encoding(encoding):
    logger, out = written("json", encoding)
    logger.error("é \U0001f600 \ud800")
    text, _failed = out()

    assert json.loads(text)["message"] == "é \U0001f600 \ud800"


def test_people_can_read_other_scripts_in_a_utf8_stream():
    logger, out = written("json")
    logger.error("日本語")

    assert "日本語" in out()[0]


def test_a_record_whose_arguments_do_not_fit_is_kept_and_said_so(logs):
    logs.set_up()
    logging.getLogger("third.party").warning("%d of %d", "x")  # noqa: PLE1206

    assert logs.only["message"].startswith("'%d of %d' (its arguments do not fit: ")


def test_the_time_is_an_instant_in_utc(logs):
    logs.set_up()
    logging.getLogger("prismq").info("x")

    assert datetime_from_iso(logs.only["ts"]).utcoffset() == timedelta(0)


def test_fields_stand_beside_the_message_and_keep_their_types(logs):
    logs.set_up()
    logging.getLogger("prismq").info(
        "x", extra={"fields": {"event": "e", "n": 1, "share": 0.5, "deep": {"a": [None]}}}
    )

    line = logs.only
    assert {name: line[name] for name in ("event", "n", "share", "deep")} == {
        "event": "e",
        "n": 1,
        "share": 0.5,
        "deep": {"a": [None]},
    }


def test_a_field_named_like_a_part_of_every_line_displaces_nothing_and_is_kept(logs):
    logs.set_up()
    with task_scope(TaskRef("t-1", "PrismQ.Test.Echo", 2)):
        logging.getLogger("prismq").info(
            "x", extra={"fields": {"type": "short", "attempt": 7, "odd": {(1,): 2}}}
        )

    line = logs.only
    assert (line["type"], line["type_"]) == ("PrismQ.Test.Echo", "short")
    assert line["attempt"] == 2


def test_a_traceback_stays_within_its_line(logs):
    logs.set_up()
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logging.getLogger("third.party").exception("it broke")

    line = logs.only
    assert line["message"] == "it broke"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: first\nsecond")


def test_a_warning_is_a_line_of_the_log(logs):
    logs.set_up()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old way", DeprecationWarning, stacklevel=1)

    assert "DeprecationWarning: old way" in logs.only["message"]


def test_a_fatal_error_is_a_line_of_the_log(logs):
    logs.set_up()
    try:
        raise ValueError("fatal")
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)

    assert logs.only["level"] == "CRITICAL"
    assert logs.only["exception"].endswith("ValueError: fatal")


def test_an_error_that_ends_a_thread_is_a_line_of_the_log(logs):
    logs.set_up()

    def broken():
        raise ValueError("in a thread")

    thread = threading.Thread(target=broken, name="some-thread")
    thread.start()
    thread.join()

    assert logs.only["message"] == "thread some-thread ended by an error"
    assert logs.only["exception"].endswith("ValueError: in a thread")


def test_an_error_that_the_interpreter_ignores_is_a_line_of_the_log(logs):
    logs.set_up()

    class Broken:
        def __del__(self):
            raise ValueError("at the end")

    Broken()

    assert "ignored by the interpreter" in logs.only["message"]
    assert logs.only["exception"].endswith("ValueError: at the end")


def test_our_own_records_come_from_the_level_on_and_others_from_warning_on(logs):
    logs.set_up(level="INFO")
    for name in ("prismq.worker", "third.party"):
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            logging.getLogger(name).log(level, "x")

    assert [(line["logger"], line["level"]) for line in logs.lines] == [
        ("prismq.worker", "INFO"),
        ("prismq.worker", "WARNING"),
        ("third.party", "WARNING"),
    ]


def test_debug_shows_other_libraries_too_but_not_every_connection(logs):
    logs.set_up(level="DEBUG")
    for name in ("prismq.worker", "third.party", "urllib3.connectionpool", "asyncio"):
        logging.getLogger(name).debug("x")

    assert [line["logger"] for line in logs.lines] == ["prismq.worker", "third.party"]


def test_a_key_that_is_an_ordinary_word_renames_no_field_and_no_event(logs):
    logs.set_up(secrets=["task"])
    fields = {"event": "task_started", "task_size": "a task"}
    logging.getLogger("prismq.worker").info("the task begins", extra={"fields": fields})

    assert (logs.only["event"], logs.only["task_size"]) == ("task_started", "a [redacted]")
    assert logs.only["message"] == "the [redacted] begins"
    assert {"task", "type", "attempt"} <= set(logs.only)
