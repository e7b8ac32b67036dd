"""The bundle `exchange`: what is asked, and what each answer becomes."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.log import LogLine, LogPart
from prismq_worker_sdk.model.outcome import Child, Completed, Failed, Follower, Released
from prismq_worker_sdk.model.protocol import (
    BadGrant,
    ClaimWork,
    ExchangeRequest,
    ExchangeResponse,
    ExtensionGone,
    Grant,
    LeaseAnswer,
    LeaseVerdict,
    LimitPause,
    Rejected,
    Renewal,
    ReportAnswer,
    Throttled,
    Unauthorised,
    Unreachable,
    WorkerCommand,
)
from prismq_worker_sdk.model.report import Report, Verdict
from prismq_worker_sdk.model.told_status import ClosedType, ToldStatus, WorkerState
from prismq_worker_sdk.wire.dialects.v1.base import read_bundle, read_health
from prismq_worker_sdk.wire.dialects.v1.exchange import exchange
from prismq_worker_sdk.wire.messages import HttpReply

ANNOUNCED = {"max_tasks": 128, "max_bytes": 16777216, "max_wait_seconds": 30, "lease_seconds": 60}
TASK = {
    "id": "t1",
    "type": "T.T",
    "params": {"q": 1},
    "status": "processing",
    "lease_token": "k",
    "lease_seconds": 60,
}


CAN = Capabilities(renews=True)
FOLLOWS = Capabilities(renews=True, follows=True)


def identity(task_id="t1", token="k1"):
    return Identity("http://s/api", "v1", task_id, "T.T", "d", "w-old", token)


def report(outcome, task_id="t1", **more):
    return Report(1, identity(task_id), outcome, **more)


def asked(call, can=CAN):
    request = next(exchange(call, can))
    assert (request.method, request.segments) == ("POST", ("tasks", "exchange"))
    return request.call, json.loads(request.body)


def answered(call, status=200, body=None, *, raw=None, headers=None):
    steps = exchange(call, CAN)
    next(steps)
    data = json.dumps(body).encode() if raw is None else raw
    with pytest.raises(StopIteration) as end:
        steps.send(HttpReply(status, data, headers or {"content-type": "application/json"}))
    return end.value.value


def test_a_claim_says_what_it_wants_and_who_asks():
    work = ClaimWork("w", ("T.A", "T.B"), max_tasks=7, wait_seconds=20.0)

    assert asked(ExchangeRequest(claim=work, worker_id="w", request_id="r")) == (
        "claim",
        {
            "worker_id": "w",
            "request_id": "r",
            "claim": {"task_types": ["T.A", "T.B"], "max_tasks": 7, "wait_seconds": 20.0},
        },
    )


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Completed('{"a":"ž"}'), {"outcome": "completed", "result": {"a": "ž"}}),
        (Completed("null"), {"outcome": "completed", "result": None}),
        (
            Failed("x", "Permanent", retryable=False),
            {"outcome": "failed", "error": "x", "error_type": "Permanent", "retryable": False},
        ),
        (
            Failed("x", "Transient", True, 30.0),
            {
                "outcome": "failed",
                "error": "x",
                "error_type": "Transient",
                "retryable": True,
                "delay_seconds": 30.0,
            },
        ),
        (Failed("x"), {"outcome": "failed", "error": "x"}),
        (Released("later", 5.0), {"outcome": "released", "error": "later", "delay_seconds": 5.0}),
    ],
)
def test_an_outcome_goes_as_the_protocol_names_it(outcome, said):
    call, body = asked(ExchangeRequest(reports=(report(outcome),), worker_id="w"))

    assert call == "report"
    assert body["reports"] == [{"task_id": "t1", "lease_token": "k1", **said}]


def test_children_and_checkpoints_go_inside_the_report_as_they_are():
    child = Child("c1", "T.Child", '{"n":1}', 5)
    _call, body = asked(
        ExchangeRequest(
            reports=(report(Completed("1"), children=(child,), checkpoint='{"page":2}'),), worker_id="w"
        )
    )

    assert body["reports"][0]["children"] == [
        {"key": "c1", "type": "T.Child", "params": {"n": 1}, "priority": 5}
    ]
    assert body["reports"][0]["checkpoint"] == {"page": 2}


def test_what_follows_the_children_goes_beside_them():
    children = (Follower("then", "T.Last", '{"run":7}', 2), Child("0", "T.Child", "{}"))
    call = ExchangeRequest(reports=(report(Completed("1"), children=children),), worker_id="w")
    (said,) = asked(call, FOLLOWS)[1]["reports"]

    assert said["then"] == {"type": "T.Last", "params": {"run": 7}, "priority": 2}
    assert said["children"] == [{"key": "0", "type": "T.Child", "params": {}}]
    alone = ExchangeRequest(reports=(report(Completed("1"), children=children[:1]),), worker_id="w")
    assert "children" not in asked(alone, FOLLOWS)[1]["reports"][0]


def test_r24_a_result_whose_follower_the_server_would_pass_over_is_refused_and_no_other():
    follower = (Follower("then", "T.Last", "{}"),)
    odd, plain = report(Completed("1"), children=follower), report(Completed("2"), "t2")
    steps = exchange(ExchangeRequest(reports=(odd, plain, odd), worker_id="w"), CAN)
    assert [one["task_id"] for one in json.loads(next(steps).body)["reports"]] == ["t2"]
    body = {"reports": [{"task_id": "t2", "verdict": "accepted"}], "leases": [], "tasks": [], "worker": "run"}
    with pytest.raises(StopIteration) as end:
        steps.send(HttpReply(200, json.dumps(body).encode(), {"content-type": "application/json"}))

    verdicts = [one.verdict for one in end.value.value.reports]
    assert verdicts == [Verdict.REFUSED, Verdict.ACCEPTED, Verdict.REFUSED]
    with pytest.raises(StopIteration) as alone:
        next(exchange(ExchangeRequest(reports=(odd,), worker_id="w"), CAN))
    assert [one.verdict for one in alone.value.value.reports] == [Verdict.REFUSED]


def test_a_pause_goes_to_the_server_beside_a_result_that_it_would_pass_over_a_part_of():
    odd = report(Completed("1"), children=(Follower("then", "T.Last", "{}"),))
    call = ExchangeRequest(reports=(odd,), pauses=(LimitPause("api", 60.0, ""),), worker_id="w")

    assert asked(call)[1] == {"worker_id": "w", "pauses": [{"name": "api", "seconds": 60.0}]}


def test_a_renewal_says_how_far_the_work_is_when_that_is_new():
    silent, telling = Renewal(identity()), Renewal(identity("t2"), 40.0, "page 1", '{"p":1}')
    call, body = asked(ExchangeRequest(renewals=(silent, telling), worker_id="w"))

    assert call == "renew"
    assert body["leases"] == [
        {"task_id": "t1", "lease_token": "k1"},
        {"task_id": "t2", "lease_token": "k1", "progress": 40.0, "message": "page 1", "checkpoint": {"p": 1}},
    ]


def test_texts_with_lone_surrogates_can_be_sent():
    call = ExchangeRequest(
        reports=(report(Failed("a\ud800b", "E\ud800")),), renewals=(Renewal(identity(), 1.0, "\ud800"),)
    )
    next(exchange(call, CAN)).body.encode()


def test_a_report_of_a_claim_without_a_token_goes_the_way_of_the_base():
    old = Report(2, replace(identity("t2"), token=None), Completed("2"))
    steps = exchange(ExchangeRequest(reports=(report(Completed("1")), old), worker_id="w"), CAN)
    first = next(steps)
    assert (first.segments, json.loads(first.body)) == (
        ("tasks", "t2", "complete"),
        {"worker_id": "w-old", "result": 2},
    )
    second = steps.send(HttpReply(409, b'{"detail": "no"}'))
    assert json.loads(second.body)["reports"][0]["task_id"] == "t1"
    with pytest.raises(StopIteration) as end:
        steps.send(HttpReply(200, b'{"reports": [{"task_id": "t1", "verdict": "accepted"}]}'))

    assert [found.verdict for found in end.value.value.reports] == [Verdict.ACCEPTED, Verdict.CONFLICT]


def test_verdicts_come_in_the_order_sent():
    call = ExchangeRequest(
        reports=(report(Completed("1")), report(Completed("2"), "t2")), renewals=(Renewal(identity("t3")),)
    )
    body = {
        "reports": [
            {"task_id": "t1", "verdict": "accepted"},
            {"task_id": "t2", "verdict": "refused", "detail": "too large"},
        ],
        "leases": [{"task_id": "t3", "verdict": "cancel", "lease_seconds": 60}],
        "tasks": [],
        "worker": "quiet",
    }

    assert answered(call, body=body) == ExchangeResponse(
        (ReportAnswer(Verdict.ACCEPTED), ReportAnswer(Verdict.REFUSED, "too large")),
        (),
        (LeaseAnswer(LeaseVerdict.CANCEL, 60.0),),
        WorkerCommand.QUIET,
    )


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        ["x"],
        [{"task_id": "another", "verdict": "accepted"}],
        [{"task_id": "t1", "verdict": "wonderful"}],
        [{"task_id": "t1", "verdict": "conflict"}],
        [{"task_id": "t1", "verdict": 7}],
    ],
)
def test_what_is_no_verdict_on_this_report_is_no_answer(said):
    found = answered(ExchangeRequest(reports=(report(Completed("1")),)), body={"reports": said})

    assert isinstance(found.reports[0], Unreachable)


@pytest.mark.parametrize(
    ("item", "becomes"),
    [
        ({"verdict": "lost"}, LeaseAnswer(LeaseVerdict.LOST)),
        ({"verdict": "renewed", "lease_seconds": 60}, LeaseAnswer(LeaseVerdict.RENEWED, 60.0)),
        ({"verdict": "renewed"}, Unreachable),
        ({"verdict": "renewed", "lease_seconds": -1}, Unreachable),
        ({"verdict": "renewed", "lease_seconds": True}, Unreachable),
        ({}, Unreachable),
    ],
)
def test_a_renewal_without_a_duration_is_no_answer(item, becomes):
    found = answered(
        ExchangeRequest(renewals=(Renewal(identity()),)), body={"leases": [{"task_id": "t1", **item}]}
    )

    assert found.renewals[0] == becomes or isinstance(found.renewals[0], becomes)


def test_r03_a_bad_task_stands_beside_good_ones():
    body = {
        "tasks": [
            TASK,
            {**TASK, "id": "t2", "params": 7},
            {**TASK, "id": 5},
            "x",
            {**TASK, "lease_token": ""},
        ]
    }
    tasks = answered(ExchangeRequest(claim=ClaimWork("w", ("T.T",), 5)), body=body).tasks

    assert isinstance(tasks[0], Grant)
    assert (tasks[0].token, tasks[0].lease_seconds, tasks[0].task.params) == ("k", 60.0, {"q": 1})
    assert [isinstance(task, BadGrant) for task in tasks[1:]] == [True] * 4
    assert [task.task_id for task in tasks[1:]] == ["t2", None, None, None]


@pytest.mark.parametrize("status", [404, 405, 501])
def test_r35_an_announced_extension_that_is_not_there_is_said_so(status):
    assert isinstance(
        answered(ExchangeRequest(claim=ClaimWork("w", ("T",))), status, {"detail": "Not Found"}),
        ExtensionGone,
    )


@pytest.mark.parametrize(
    ("status", "becomes"),
    [(401, Unauthorised), (403, Unauthorised), (429, Throttled), (500, Unreachable), (400, Rejected)],
)
def test_other_failures_are_those_of_every_call(status, becomes):
    assert isinstance(
        answered(ExchangeRequest(claim=ClaimWork("w", ("T",))), status, {"detail": "no"}), becomes
    )


@pytest.mark.parametrize("status", [413, 422])
def test_r24_a_report_alone_that_does_not_fit_is_refused_and_a_batch_is_rejected(status):
    alone = answered(ExchangeRequest(reports=(report(Completed("1")),)), status, {"detail": "too large"})
    batch = answered(
        ExchangeRequest(reports=(report(Completed("1")), report(Completed("2"), "t2"))),
        status,
        {"detail": "x"},
    )

    assert alone.reports == (ReportAnswer(Verdict.REFUSED, "too large"),)
    assert isinstance(batch, Rejected)


def test_the_bundle_counts_only_when_it_is_complete():
    found = read_bundle(ANNOUNCED)

    assert (found.max_tasks, found.max_wait_seconds, found.renews, found.releases, found.creates) == (
        128,
        30.0,
        True,
        True,
        True,
    )
    for name in ANNOUNCED:
        assert read_bundle({key: value for key, value in ANNOUNCED.items() if key != name}) is None
    for wrong in (None, [], {**ANNOUNCED, "max_tasks": "128"}, {**ANNOUNCED, "lease_seconds": 0}, True):
        assert read_bundle(wrong) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["reports", "leases", "tasks", "worker", "id", "verdict", "lease_token", "lease_seconds", "task_id"]
)


@given(
    st.integers(100, 599),
    st.one_of(
        st.binary(max_size=200),
        JSON.map(json.dumps).map(str.encode),
        st.dictionaries(NAMES, JSON).map(json.dumps).map(str.encode),
    ),
)
def test_no_answer_whatever_raises(status, raw):
    call = ExchangeRequest(
        reports=(report(Completed("1")),),
        renewals=(Renewal(identity("t2")),),
        claim=ClaimWork("w", ("T",)),
        worker_id="w",
    )
    found = answered(call, status, raw=raw)

    assert not isinstance(found, ExchangeResponse) or (len(found.reports), len(found.renewals)) == (1, 1)


LOGS = replace(CAN, max_log_lines=1000, max_log_bytes=1000)
LOG = LogPart(3, (LogLine(5.25, "info", "Grüße"),), 9)
ON_THE_WIRE = {"first": 3, "logged": 9, "lines": [{"at": 5.25, "level": "info", "text": "Grüße"}]}
WITH_LOGS = ExchangeRequest(
    reports=(report(Completed("1"), log=LOG),), renewals=(Renewal(identity("t2"), log=LOG),)
)


def bodies(call, can, *replies):
    """The requests of a call whose answers are these, and what it comes to."""
    steps = exchange(call, can)
    sent = [next(steps), *[steps.send(reply) for reply in replies[:-1]]]
    with pytest.raises(StopIteration) as end:
        steps.send(replies[-1])
    return [json.loads(one.body) for one in sent], end.value.value


def logs_of(body):
    return [one.get("log") for one in (*body["reports"], *body["leases"])]


def test_what_was_logged_goes_with_reports_and_renewals():
    steps = exchange(WITH_LOGS, LOGS)

    assert logs_of(json.loads(next(steps).body)) == [ON_THE_WIRE, ON_THE_WIRE]


def test_a_server_that_announces_no_logs_is_sent_none():
    assert logs_of(json.loads(next(exchange(WITH_LOGS, CAN)).body)) == [None, None]


def test_a_report_that_others_have_overtaken_goes_without_its_lines():
    call = replace(WITH_LOGS, reports=(report(Completed("1"), log=LOG, passed=1),))

    assert logs_of(json.loads(next(exchange(call, LOGS)).body)) == [None, ON_THE_WIRE]


@pytest.mark.parametrize("status", [413, 422])
def test_r24_a_call_that_is_too_much_with_its_lines_goes_again_without_them(status):
    verdicts = {
        "reports": [{"task_id": "t1", "verdict": "accepted"}],
        "leases": [{"task_id": "t2", "verdict": "renewed", "lease_seconds": 60}],
    }
    sent, value = bodies(
        WITH_LOGS, LOGS, HttpReply(status, b"{}"), HttpReply(200, json.dumps(verdicts).encode())
    )

    assert list(map(logs_of, sent)) == [[ON_THE_WIRE] * 2, [None] * 2]
    assert value.reports == (ReportAnswer(Verdict.ACCEPTED),)


def test_r24_a_report_without_lines_that_is_too_much_is_refused_at_once():
    call = ExchangeRequest(reports=(report(Completed("1")),))
    sent, value = bodies(call, LOGS, HttpReply(413, b"{}"))

    assert len(sent) == 1
    assert value.reports[0].verdict is Verdict.REFUSED


def test_pauses_of_limits_go_beside_what_else_is_said():
    pauses = (LimitPause("api", 60.0, "429"), LimitPause("b", 0.5))
    call = ExchangeRequest(renewals=(Renewal(identity()),), pauses=pauses, worker_id="w")

    assert asked(call)[1]["pauses"] == [
        {"name": "api", "seconds": 60.0, "reason": "429"},
        {"name": "b", "seconds": 0.5},
    ]


@pytest.mark.parametrize(
    ("bundles", "limits"),
    [
        ({"exchange": ANNOUNCED, "limits": True}, True),
        ({"exchange": ANNOUNCED}, False),
        ({"exchange": ANNOUNCED, "limits": "yes"}, False),
        ({"limits": True}, False),
    ],
)
def test_limits_count_only_together_with_exchanges(bundles, limits):
    body = json.dumps({"status": "healthy", "capabilities": bundles})

    assert read_health(HttpReply(200, body.encode())).capabilities.limits is limits


STATUS = ToldStatus(
    version="1.2",
    host="box",
    pid=7,
    started_at="2026-11-29T10:00:00.000+00:00",
    state=WorkerState.QUIET,
    slots=4,
    task_types=("T.A", "T.B"),
    closed=(ClosedType("T.A", "quota", 60.0), ClosedType("T.B", "no licence")),
    plugins=(("shop", "3.1"), ("mine", "")),
)


def test_what_a_worker_says_of_itself_goes_along():
    assert asked(ExchangeRequest(worker_id="w", status=STATUS))[1] == {
        "worker_id": "w",
        "status": {
            "version": "1.2",
            "host": "box",
            "pid": 7,
            "started_at": "2026-11-29T10:00:00.000+00:00",
            "state": "quiet",
            "slots": 4,
            "task_types": ["T.A", "T.B"],
            "closed": [
                {"type": "T.A", "reason": "quota", "seconds": 60.0},
                {"type": "T.B", "reason": "no licence"},
            ],
            "plugins": [{"name": "shop", "version": "3.1"}, {"name": "mine", "version": None}],
        },
    }


@pytest.mark.parametrize("status", [413, 422])
def test_what_a_worker_says_of_itself_keeps_no_report_from_passing(status):
    steps = exchange(ExchangeRequest((report(Completed("1")),), worker_id="w", status=STATUS), CAN)
    assert "status" in json.loads(next(steps).body)
    second = steps.send(HttpReply(status, b'{"detail": "no"}', {}))

    assert "status" not in json.loads(second.body)
    assert "reports" in json.loads(second.body)


def test_what_a_worker_says_of_itself_goes_where_every_report_beside_it_is_refused_for_its_follower():
    followed = report(Completed("1"), children=(Follower("k", "T.T", "{}"),))
    steps = exchange(ExchangeRequest((followed,), status=STATUS), CAN)

    assert json.loads(next(steps).body).keys() == {"worker_id", "status"}


@pytest.mark.parametrize(
    ("announced", "taken"),
    [
        ({"exchange": ANNOUNCED, "worker_status": True}, True),
        ({"exchange": ANNOUNCED}, False),
        ({"exchange": ANNOUNCED, "worker_status": "yes"}, False),
        ({"worker_status": True}, False),
    ],
)
def test_a_worker_speaks_of_itself_only_where_that_and_the_exchange_are_announced(announced, taken):
    body = {"status": "healthy", "capabilities": announced}

    assert read_health(HttpReply(200, json.dumps(body).encode())).capabilities.takes_status is taken
