import pytest

from tests.support.golden import named
from tests.support.prismq_golden import EXCHANGES, FILE, STATES, Known, body_of, bring, hold, send, server_for

ROWS = {
    "envelope": """success | API error | no/wrong key | rate limit | body too large | IP blocked | switched off
        | PHP TypeError | outside /api | DB down | methods and paths | bodies""",
    "GET /health": "healthy | no key needed | POST",
    "POST /task-types/register": """new | exists | field missing, empty or null | schema without type
        | schema text not JSON | too long | name a list/object | name int / version int | other case""",
    "GET /task-types": "always 500",
    "GET /task-types/{name}": "found | inactive | unknown | not URL-decoded | repaired",
    "POST /tasks": """new | same type+params exist | same, created in parallel | anything else ignored
        | type/params missing, null, "" | params no object | type not a string | unknown type | inactive type
        | schema violation | bad JSON | params > 65,535 B""",
    "GET /tasks": "a page | limit=abc or 0 | limit=-1 | unknown status/type | % in type | type[]=",
    "GET /tasks/{id}": "found | unknown | id cast by SQL | nested too deep | repaired",
    "POST /tasks/claim": """ok | empty | empty, repaired | no, empty or null worker_id | worker_id not a string
        | no task_type_id | task_type_id not positive | bad sort | worker_id > 255 | deadlock | cast to 1
        | inactive type""",
    "POST /tasks/{id}/progress": "ok | bad value | other worker | not claimed | unknown id",
    "POST /tasks/{id}/complete": """success true | success false, attempts < MAX | success false, attempts >= MAX
        | field missing | other worker | not claimed | unknown id | id 5abc | worker_id not a string
        | result or error > 65,535 B | body nested > 512 | deadlock | half a failure | fail | success by PHP's truth
        | error no text""",
}


@pytest.mark.parametrize("exchange", EXCHANGES, ids=named)
def test_the_stand_in_of_the_server_gives_the_golden_answer(exchange):
    known, request = Known(), exchange["request"]
    with server_for(exchange["given"]) as server:
        bring(server, exchange["given"], known)
        said = send(
            server.url,
            request["method"],
            known.filled(request["path"]),
            body=body_of(request, known),
            headers=request["headers"],
            outside=request.get("outside", False),
        )

    hold(said, exchange["answer"], known)
    assert (said.headers["connection"], said.headers.get("content-length")) == ("close", None)


def test_the_golden_exchanges_cover_every_row_that_was_measured():
    rows = {f"{table}: {' '.join(row.split())}" for table, text in ROWS.items() for row in text.split("|")}

    assert {exchange["row"] for exchange in EXCHANGES} == rows


def test_every_golden_exchange_has_a_name_of_its_own():
    assert len({exchange["name"] for exchange in EXCHANGES}) == len(EXCHANGES)


def test_every_state_is_the_beginning_of_an_exchange_or_of_another_state():
    steps = {step for state in STATES.values() for step in state["steps"] if isinstance(step, str)}

    assert {exchange["given"] for exchange in EXCHANGES} | steps == set(STATES)


def test_the_task_of_the_goldens_is_the_one_that_is_created():
    created = next(exchange for exchange in EXCHANGES if exchange["name"] == "create: a task")

    assert created["request"]["body"] == FILE["task"]
