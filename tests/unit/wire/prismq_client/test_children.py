import pytest

from prismq_worker_sdk.model.outcome import Child, Completed, Failed
from prismq_worker_sdk.model.protocol import ExchangeRequest, ReportAnswer, UnrecognisedServer
from prismq_worker_sdk.model.report import Verdict
from prismq_worker_sdk.wire.dialects.prismq_client.reports import child_keys
from tests.support.prismq_talk import (
    DEADLOCK,
    NOTHING,
    OWNER,
    SILENCE,
    TOO_LONG,
    Talk,
    raw,
    refused,
    report,
    said,
    shown,
)

ONE, TWO, EMPTY = (
    Child("0", "Test.Kid", '{"n":1}'),
    Child("1", "Test.Kid", '{"n":2}'),
    Child("2", "Test.Kid", "{}"),
)
MISFIT = refused(400, "Parameter validation failed: Additional property not allowed: .prismq_run_key")


HELD = shown(status="claimed", claimed_by=OWNER)


class Parent(Talk):
    """A connection that finds the parent's claim still there; that look is left out of what was asked."""

    def __init__(self):
        super().__init__(**{"Test.Kid": 3})

    def __call__(self, call, *replies):
        found = super().__call__(call, HELD, *replies)
        self.asked = [request for request in self.asked if request.call != "get"]
        return found


def created(number="31", **more):
    return said({"id": number, "type": "Test.Kid", "status": "pending", "message": "Task created", **more})


def accepted():
    return said({"id": "20", "status": "completed", "message": "Task completed"})


def parent(*children):
    return ExchangeRequest(reports=(report(Completed("1"), children=children),))


def test_r22_children_are_created_before_their_parent_s_report_each_under_its_own_key():
    talk = Parent()

    reply = talk(parent(ONE, TWO), created(), created("32"), accepted()).reports[0]

    assert talk.paths == ["POST /tasks", "POST /tasks", "POST /tasks/20/complete"]
    keys = [talk.body(number)["params"]["prismq_run_key"] for number in (0, 1)]
    assert talk.body(0) == {"type": "Test.Kid", "params": {"n": 1, "prismq_run_key": keys[0]}}
    assert len(set(keys)) == 2
    assert all(key.startswith("child:20:") and key.endswith(":1") for key in keys)
    assert reply.verdict is Verdict.ACCEPTED


def test_r22_children_that_were_stored_with_a_failure_are_not_created():
    talk = Talk()
    call = ExchangeRequest(reports=(report(Failed("it broke"), children=(ONE,)),))

    assert talk(call, said({"id": "20", "status": "pending (retry)"})).reports[0].verdict is Verdict.ACCEPTED
    assert talk.paths == ["POST /tasks/20/complete"]


@pytest.mark.parametrize(
    "stands", [shown(status="claimed", claimed_by="w/2"), shown(status="completed", claimed_by="w/2")]
)
def test_r22_children_of_a_claim_that_is_lost_are_not_created(stands):
    talk = Talk()

    assert talk(parent(ONE), stands).reports[0].verdict is Verdict.LOST
    assert talk.paths == ["GET /tasks/20"]


def test_r22_no_child_is_created_where_another_one_has_a_type_that_nobody_knows():
    talk = Parent()
    reply = talk(parent(ONE, Child("1", "Test.Typo", "{}")), NOTHING).reports[0]

    assert (reply.verdict, talk.paths) == (Verdict.REFUSED, ["GET /task-types/Test.Typo"])
    assert reply.detail == "the child task Test.Typo is refused: the server knows no such type"


def test_r22_the_key_tells_equal_children_apart_and_is_the_same_in_every_try():
    first = [key for key, _ in child_keys("20", (ONE, TWO, ONE))]

    assert first == [key for key, _ in child_keys("20", (ONE, TWO, ONE))]
    assert first[0][:-1] == first[2][:-1]
    assert [key[-1] for key in first] == ["1", "1", "2"]
    assert first[0] != next(iter(child_keys("21", (ONE,))))[0]


def test_r22_the_order_of_the_params_does_not_change_the_key():
    ab, ba = Child("0", "Test.Kid", '{"a":1,"b":2}'), Child("0", "Test.Kid", '{"b":2,"a":1}')

    assert next(child_keys("1", (ab,)))[0] == next(child_keys("1", (ba,)))[0]


def test_params_without_entries_which_the_server_refuses_carry_their_key_alone():
    talk = Parent()
    talk(parent(EMPTY), created(), accepted())

    assert list(talk.body(0)["params"]) == ["prismq_run_key"]


def test_r22_children_that_are_there_are_not_created_again_with_the_next_try():
    talk = Parent()
    first = talk(parent(ONE, TWO), created(), SILENCE).reports[0]
    second = talk(parent(ONE, TWO), created("32"), accepted()).reports[0]

    assert first == SILENCE
    assert second.verdict is Verdict.ACCEPTED
    assert [talk.body(number)["params"]["n"] for number in range(3)] == [1, 2, 2]


def test_r22_a_child_that_another_process_created_is_found_by_its_key():
    again = said({"id": 31, "status": "completed", "deduplicated": True, "message": "exists"})

    reply = Parent()(parent(ONE), again, accepted()).reports[0]

    assert reply == ReportAnswer(Verdict.ACCEPTED, "the task is completed")


def test_a_creation_that_met_another_one_is_repeated():
    duplicate = refused(500, "SQLSTATE[23000]: Integrity constraint violation: 1062 Duplicate entry")

    assert Parent()(parent(ONE), duplicate, refused(*DEADLOCK), created(), accepted()).reports[0].verdict is (
        Verdict.ACCEPTED
    )


def test_a_schema_that_refuses_the_key_gets_the_child_without_it_and_an_old_task_is_told():
    talk = Parent()
    old = said({"id": 12, "status": "failed", "deduplicated": True, "message": "exists"})

    reply = talk(parent(ONE), MISFIT, old, accepted()).reports[0]

    assert talk.body(1) == {"type": "Test.Kid", "params": {"n": 1}}
    assert reply.verdict is Verdict.ACCEPTED
    assert reply.notice == "the child Test.Kid is the old task 12, failed"


@pytest.mark.parametrize(
    "answers",
    [
        (MISFIT, MISFIT),
        (refused(404, "Task type not found"),),
        (refused(400, "Task type is not active"),),
        (refused(*TOO_LONG),),
    ],
)
def test_r24_a_child_that_can_never_be_created_refuses_the_report(answers):
    reply = Parent()(parent(ONE), *answers).reports[0]

    assert reply.verdict is Verdict.REFUSED
    assert "Test.Kid" in reply.detail


@pytest.mark.parametrize(
    "answer", [SILENCE, raw(429, b"", retry_after="3"), refused(500, "Internal server error")]
)
def test_a_child_that_could_not_be_created_keeps_the_report(answer):
    talk = Parent()

    assert not isinstance(talk(parent(ONE, TWO), answer).reports[0], ReportAnswer)
    assert len(talk.asked) == 1


def test_params_that_are_too_large_are_not_sent():
    talk = Parent()
    reply = talk(parent(Child("0", "Test.Kid", f'{{"text":"{"x" * 65_536}"}}'))).reports[0]

    assert reply.verdict is Verdict.REFUSED
    assert talk.asked == []


def test_a_schema_that_takes_one_point_nought_for_no_integer_gets_it_as_one():
    talk = Parent()
    child = Child("0", "Test.Kid", '{"n":1.0}')
    misfit = refused(400, "Parameter validation failed: Type mismatch at n: expected integer, got number")

    reply = talk(parent(child), misfit, created(), accepted()).reports[0]

    assert reply.verdict is Verdict.ACCEPTED
    assert '"n":1,' in talk.asked[1].body
    assert "child:20:" in talk.asked[1].body


def test_r33_a_path_that_is_gone_refuses_no_child_for_good():
    reply = Parent()(parent(ONE), refused(404, "Endpoint not found")).reports[0]

    assert isinstance(reply, UnrecognisedServer)
