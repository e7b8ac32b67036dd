import itertools

import pytest

from prismq_worker_sdk.model.protocol import (
    BadGrant,
    ClaimWork,
    Conflict,
    ExchangeRequest,
    Grant,
    Rejected,
    ServerInfo,
    Throttled,
    Unauthorised,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.wire.client import WireClient
from prismq_worker_sdk.wire.dialects.prismq_client.claims import wire_worker_id
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import CAPABILITIES
from tests.support.prismq_client import TYPE, running_prismq_client
from tests.support.prismq_talk import (
    DEADLOCK,
    EMPTY,
    NOTHING,
    OWNER,
    SILENCE,
    Talk,
    claim_call,
    claimed,
    raw,
    refused,
    registered,
    said,
    shown,
    task,
)


def test_a_claim_asks_for_one_type_by_its_number_under_an_id_of_its_own():
    talk = Talk()

    found = talk(claim_call(), claimed(20, attempts=2))

    assert talk.paths == ["POST /tasks/claim"]
    assert talk.body() == {"worker_id": OWNER, "task_type_id": 1}
    wanted = Task(id="20", type="Test.Some", params={"n": 1}, attempt=2, priority=0)
    assert found.tasks == (Grant(wanted, token=OWNER),)


@pytest.mark.parametrize(("order", "first"), [(None, "1"), ("fifo", "1"), ("lifo", "3"), ("priority", "2")])
def test_an_order_is_kept_by_the_server_also_among_tasks_of_one_second(order, first):
    with running_prismq_client() as server:
        for number in range(3):
            server.create({"n": number})
        server.server.set_priority(2, 9)
        client = WireClient(server.url, dialect="prismq-client")
        work = ClaimWork("w", (TYPE,), order=order)
        client.use(ServerInfo("prismq-client", CAPABILITIES))
        found = client.perform(ExchangeRequest(claim=work, request_id="1"))
        client.close()

    assert [grant.task.id for grant in found.tasks] == [first]


def test_r02_every_claim_has_another_wire_id_and_a_long_worker_id_is_cut_to_fit():
    assert wire_worker_id("w", "a" * 32) != wire_worker_id("w", "b" * 32)
    assert len(wire_worker_id("w" * 255, "c" * 32)) == 255
    assert wire_worker_id(" w ", "c") == "w/c"


@pytest.mark.parametrize("empty", [refused(*EMPTY), refused(404, "No available tasks")])
def test_types_are_asked_for_one_by_one_until_one_has_work(empty):
    talk = Talk()

    found = talk(claim_call("Test.Some", "Test.Other"), empty, claimed(7, "Test.Other"))

    assert [talk.body(0)["task_type_id"], talk.body(1)["task_type_id"]] == [1, 2]
    assert [grant.task.id for grant in found.tasks] == ["7"]


def test_nothing_in_any_type_is_an_empty_answer():
    assert Talk()(claim_call("Test.Some", "Test.Other"), refused(*EMPTY), refused(*EMPTY)).tasks == ()


def test_a_type_with_work_is_asked_first_again_but_does_not_starve_the_others():
    talk, types = Talk(), ("Test.Some", "Test.Other")
    for _ in range(30):
        talk(claim_call(*types), claimed(kind=talk.session.in_turn(types)[0]))
    asked = [talk.body(number)["task_type_id"] for number in range(30)]

    assert asked.count(2) >= 3
    assert asked.count(1) >= 3
    assert sum(one != two for one, two in itertools.pairwise(asked)) <= 4


def test_the_number_of_a_type_is_looked_up_once_by_its_raw_name():
    talk = Talk()

    talk(claim_call("Test.New_1"), registered(9, "Test.New_1"), claimed(1, "Test.New_1"))
    talk(claim_call("Test.New_1"), claimed(2, "Test.New_1"))

    assert talk.paths == ["GET /task-types/Test.New_1", "POST /tasks/claim", "POST /tasks/claim"]
    assert talk.body()["task_type_id"] == 9


@pytest.mark.parametrize(
    "answer",
    [
        registered("9", "test.new"),
        said({"id": 9, "name": "Test.New", "param_schema": {}}),
        registered(9, "TEST.NEW"),
    ],
    ids=["a text as id", "the object itself", "other letters"],
)
def test_a_type_is_found_in_every_form_it_may_have(answer):
    talk = Talk()

    found = talk(claim_call("Test.New"), answer, claimed(1, "test.new"))

    assert talk.body()["task_type_id"] == 9
    assert type(talk.body()["task_type_id"]) is int
    assert found.tasks[0].task.type == "Test.New"


@pytest.mark.parametrize(
    "answer", [NOTHING, refused(404, "Task type not found"), registered(3, "Test.Another")]
)
def test_a_type_that_is_not_registered_is_told_and_the_others_are_claimed(answer):
    found = Talk()(claim_call("Test.New", "Test.Some"), answer, claimed())

    assert found.unknown_types == ("Test.New",)
    assert len(found.tasks) == 1


def test_a_type_whose_name_the_server_damages_is_told_as_unknown():
    found = Talk()(claim_call("api.foo"), refused(404, "Endpoint not found"))

    assert found.unknown_types == ("api.foo",)
    assert found.tasks == ()


def test_a_lookup_that_fails_is_the_answer_to_the_claim():
    assert Talk()(claim_call("Test.New"), SILENCE).tasks == SILENCE
    assert isinstance(
        Talk()(claim_call("Test.New"), refused(404, "Endpoint not found")).tasks, UnrecognisedServer
    )
    assert isinstance(Talk()(claim_call("Test.New"), registered(0, "Test.New")).tasks, Unreachable)


def test_a_deadlock_is_somebody_who_was_faster():
    assert isinstance(Talk()(claim_call(), refused(*DEADLOCK)).tasks, Conflict)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (raw(401, {"error": "Unauthorized", "message": "Invalid key"}), Unauthorised),
        (raw(429, {"error": "Too Many Requests"}, retry_after="5"), Throttled),
        (refused(500, "Internal server error"), Unreachable),
        (refused(400, "Missing required field: task_type_id"), Rejected),
        (refused(404, "Endpoint not found"), UnrecognisedServer),
        (raw(200, b""), Unreachable),
        (said(None), Unreachable),
        (said("a task"), Unreachable),
        (SILENCE, Unreachable),
    ],
)
def test_any_other_answer_ends_the_round(answer, kind):
    talk = Talk()

    assert isinstance(talk(claim_call("Test.Some", "Test.Other"), answer).tasks, kind)
    assert len(talk.asked) == 1


def test_numbers_are_looked_up_again_after_the_server_was_away():
    talk = Talk()
    talk(claim_call(), SILENCE)

    talk(claim_call(), registered(5, "Test.Some"), claimed())

    assert talk.body()["task_type_id"] == 5


def test_numbers_are_looked_up_again_after_one_brought_a_task_of_another_type():
    talk = Talk()
    found = talk(claim_call(), claimed(1, "Test.Stranger"))
    assert found.tasks[0].task.type == "Test.Stranger"

    talk(claim_call(), registered(5, "Test.Some"), claimed())


def test_a_number_that_brings_nothing_for_long_is_looked_up_again():
    talk = Talk()
    for _ in range(50):
        talk(claim_call(), refused(*EMPTY))

    talk(claim_call(), registered(5, "Test.Some"), claimed())

    assert talk.body()["task_type_id"] == 5


def test_a_limited_type_keeps_its_place_in_the_turn():
    talk = Talk()
    talk(claim_call("Test.Some", "Test.Other"), refused(*EMPTY), raw(429, b"", retry_after="5"))

    talk(claim_call("Test.Some", "Test.Other"), claimed(7, "Test.Other"))

    assert talk.body()["task_type_id"] == 2


@pytest.mark.parametrize("params", [[], None])
def test_params_without_entries_come_as_a_list_and_are_an_object(params):
    raw_task = {"id": 1, "type": "Test.Some", "params": params, "attempts": 1}

    assert Talk()(claim_call(), said(raw_task)).tasks[0].task.params == {}


def test_the_run_key_is_taken_out_of_the_params():
    found = Talk()(claim_call(), claimed(1, params={"n": 1, "prismq_run_key": "tonight"}))

    assert found.tasks[0].task.params == {"n": 1}


@pytest.mark.parametrize("fault", [{"params": [1]}, {"params": "x"}, {"type": ""}, {"type": 5}])
def test_r03_a_task_that_cannot_be_read_keeps_its_id_and_proof(fault):
    found = Talk()(claim_call(), said({"id": "9", "type": "Test.Some", "params": {"n": 1}} | fault))

    (bad,) = found.tasks
    assert isinstance(bad, BadGrant)
    assert (bad.task_id, bad.token) == ("9", OWNER)


@pytest.mark.parametrize("number", [None, "abc", "1abc", 0, -1, True, 1.5, "9" * 30, "../1"])
def test_r03_a_task_without_a_number_has_no_id_that_could_stand_in_a_path(number):
    found = Talk()(claim_call(), said({"id": number, "type": "Test.Some", "params": {"n": 1}}))

    assert found.tasks[0].task_id is None


def listed(*tasks):
    names = ("id", "type", "status", "claimed_by")
    return said({"items": [{name: one[name] for name in names} for one in tasks], "count": len(tasks)})


MINE = task(20, status="claimed", claimed_by=OWNER)
THEIRS = task(21, status="claimed", claimed_by="w/2")


def test_r06_a_claim_that_may_have_been_seen_is_looked_for_before_another_one_is_made():
    talk = Talk()

    found = talk(claim_call(maybe_seen=True), listed(THEIRS, MINE), shown(status="claimed", claimed_by=OWNER))

    assert talk.paths == ["GET /tasks", "GET /tasks/20"]
    assert dict(talk.asked[0].query)["status"] == "claimed"
    (grant,) = found.tasks
    assert (grant.task.id, grant.token, grant.task.params) == ("20", OWNER, {"n": 1})
    assert grant.task.status is TaskStatus.PROCESSING


def test_r05_a_claim_that_was_not_seen_is_left_to_a_call_of_its_own():
    talk = Talk()

    assert talk(claim_call(maybe_seen=True), listed(THEIRS)).tasks == ()
    assert talk.paths == ["GET /tasks"]


def test_r06_the_list_is_looked_through_page_by_page():
    talk = Talk()
    full = listed(*[THEIRS] * 200)

    talk(claim_call(maybe_seen=True), full, listed(MINE), shown(status="claimed", claimed_by=OWNER))

    assert [dict(request.query).get("offset") for request in talk.asked] == ["0", "200", None]


def test_r03_a_claimed_task_that_is_shown_with_an_empty_answer_only_is_one_that_cannot_be_read():
    found = Talk()(claim_call(maybe_seen=True), listed(MINE), raw(200, b""))

    (bad,) = found.tasks
    assert (bad.task_id, bad.task_type, bad.token) == ("20", "Test.Some", OWNER)


def test_r06_a_task_that_is_no_longer_ours_is_not_taken():
    found = Talk()(claim_call(maybe_seen=True), listed(MINE), shown(status="claimed", claimed_by="w/9"))

    assert found.tasks == ()


@pytest.mark.parametrize(
    "answer", [SILENCE, raw(429, b"", retry_after="3"), refused(500, "Internal server error")]
)
def test_r06_a_list_that_cannot_be_had_leaves_the_claim_open(answer):
    assert not isinstance(Talk()(claim_call(maybe_seen=True), answer).tasks, tuple)
