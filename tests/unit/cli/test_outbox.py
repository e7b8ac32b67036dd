"""`prismq-worker outbox`: what waits in a state folder, and dealing with what does not pass."""

import json
import sys
from types import SimpleNamespace

import pytest

from prismq_worker_sdk.decide.delivery import Again, Park, Settle
from prismq_worker_sdk.model.claim import Claim, Identity
from prismq_worker_sdk.model.outcome import Child, Completed, Failed
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.outbox.folder import take_instance
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.store import Commit
from prismq_worker_sdk.system import SystemClock
from tests.support.outbox import settled

SERVER = "http://s.invalid/api"
SHORT = Failed("the server refused the result", "refused", retryable=False)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def outbox(cli, folder):
    return lambda *arguments: cli("outbox", *arguments, "--state-dir", folder)


@pytest.fixture
def store(folder):
    """Opens the outbox of an instance, as a worker would that left these things there."""

    def opened(name="instance-0", server=SERVER):
        (folder / name).mkdir(parents=True, exist_ok=True)
        box = Outbox.open(folder / name / "outbox.db", SystemClock())

        def claim(task_id, token="lease-token-of-the-server"):
            identity = Identity(server, "v1", task_id, "Test.Some", "d", "w1", token)
            one = Claim(identity, Task(id=task_id, type="Test.Some", attempt=2), 0.0, 300.0)
            box.hold(one)
            return one

        def commit(task_id, outcome=None, children=()):
            one = claim(task_id)
            outcome = outcome or Completed(f'{{"of": "{task_id}"}}')
            box.end(Commit(one.identity, outcome, children, attempt=2))
            return box.after(0, 99)[-1]

        return SimpleNamespace(box=box, claim=claim, commit=commit, close=box.close)

    return opened


@pytest.fixture
def filled(store):
    """One parked report with the failure in its place, one that waits, one claim that is held."""
    place = store()
    settled(place.box, place.commit("big"), Park("HTTP 413: too large\nforged line", SHORT))
    settled(place.box, place.commit("slow"), Again("503", maybe_seen=True), retry_in=3600.0)
    place.claim("running")
    place.close()


def refs(shown):
    return [line.split()[0] for line in shown.out.splitlines()]


def states(outbox):
    return {found["ref"]: found["state"] for found in json.loads(outbox("list", "--json").out)}


@pytest.mark.parametrize(
    ("name", "value"), [("DEBUG", "app:*"), ("MAX_RUNS", "many"), ("POLL_INTERVAL", "off")]
)
def test_variables_that_it_does_not_use_stop_no_list(cli, monkeypatch, tmp_path, name, value):
    monkeypatch.setenv(name, value)
    shown = cli("outbox", "list", "--state-dir", tmp_path / "none")

    assert (shown.code, shown.out) == (0, "")


def test_the_list_has_every_report_and_claim_with_what_an_operator_asks(outbox, filled):
    shown = outbox("list")

    assert (shown.code, shown.err) == (0, "")
    parked, waits, slow, held = (line.split(maxsplit=3) for line in shown.out.splitlines())
    assert parked[:3] == ["instance-0/1", "parked", "completed"]
    assert parked[3].endswith(r"big  Test.Some  HTTP 413: too large\nforged line")
    assert waits[:3] == ["instance-0/2", "waiting", "failed"]
    assert "0 tries, next now  big  Test.Some" in waits[3]
    assert slow[:3] == ["instance-0/3", "waiting", "completed"]
    assert "next in 1h  slow" in slow[3] or "next in 59m" in slow[3]
    assert held[:3] == ["instance-0/-", "held", "claim"]
    assert held[3].endswith("running  Test.Some")


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("parked", ["instance-0/1"]),
        ("waiting", ["instance-0/2", "instance-0/3"]),
        ("held", ["instance-0/-"]),
        ("all", ["instance-0/1", "instance-0/2", "instance-0/3", "instance-0/-"]),
    ],
)
def test_the_list_is_narrowed_by_state(state, found, outbox, filled):
    assert refs(outbox("list", "--state", state)) == found


def test_the_list_as_json_has_instants_and_no_token(outbox, filled):
    shown = outbox("list", "--json")

    first = json.loads(shown.out)[0]
    assert (first["ref"], first["state"], first["kind"]) == ("instance-0/1", "parked", "completed")
    assert (first["task_id"], first["attempt"], first["worker_id"], first["tries"]) == ("big", 2, "w1", 0)
    assert first["detail"] == "HTTP 413: too large\nforged line"
    assert first["since"].endswith("Z")
    assert first["age_seconds"] >= 0
    assert "lease-token-of-the-server" not in shown.out
    assert shown.err == ""


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_an_empty_folder_is_told_on_stderr_only(arguments, outbox, folder):
    shown = outbox("list", *arguments)

    assert (shown.code, shown.out) == (0, "[]\n" if arguments else "")
    assert shown.err == ("" if arguments else f"nothing in {folder}, there is no such folder\n")
    assert not folder.exists()


def test_an_instance_that_cannot_be_read_is_told_and_hides_no_other(outbox, filled, folder):
    (folder / "instance-1").mkdir()
    (folder / "instance-1" / "outbox.db").write_bytes(b"this is no database" * 99)
    shown = outbox("list", "--state", "parked")

    assert (shown.code, refs(shown)) == (1, ["instance-0/1"])
    assert "instance-1/outbox.db cannot be read (file is not a database)" in shown.err
    assert shown.err.count("\n") == 1


def test_looking_changes_nothing_even_beside_a_log_without_its_file(outbox, folder):
    (folder / "instance-0").mkdir(parents=True)
    (folder / "instance-0" / "outbox.db").touch()
    log = folder / "instance-0" / "outbox.db-wal"
    log.write_bytes(b"what a killed worker left" * 99)

    assert outbox("list").code == 0
    assert outbox("show", "instance-0/1").code == 2
    assert log.read_bytes() == b"what a killed worker left" * 99


def test_show_tells_claim_outcome_children_and_reason_with_the_token_shortened(outbox, store):
    place = store("blue")
    report = place.commit("t1", Completed('{"n": "ü"}'), children=(Child("0", "Test.Next", '{"a": 1}'),))
    settled(place.box, report, Park("HTTP 413"))
    place.close()
    shown = outbox("show", "blue/1")

    lines = [line.split(maxsplit=1) for line in shown.out.splitlines()]
    assert (shown.code, shown.err) == (0, "")
    for line in (
        ["ref", "blue/1"],
        ["state", "parked"],
        ["task_id", "t1"],
        ["server", SERVER],
        ["token", "leas…"],
        ["detail", "HTTP 413"],
        ["outcome", '{"n": "ü"}'],
    ):
        assert line in lines
    assert "Test.Next" in shown.out
    assert "lease-token" not in shown.out
    body = json.loads(outbox("show", "blue/1", "--json").out)
    assert (body["outcome"], body["children"][0]["type"], body["token"]) == ({"n": "ü"}, "Test.Next", "leas…")


@pytest.mark.parametrize("command", [("show",), ("retry",), ("drop", "--yes")])
@pytest.mark.parametrize("ref", ["instance-0/99", "instance-7/1"])
def test_a_reference_to_nothing_is_wrong_use(command, ref, outbox, filled, folder):
    shown = outbox(*command, ref)

    assert (shown.code, shown.out) == (2, "")
    assert f"there is no report {ref} in {folder}" in shown.err
    assert not (folder / "instance-7").exists()


@pytest.mark.parametrize("ref", ["17", "instance-0", "../x/1", "instance-0/-", "instance-0/1x"])
def test_what_is_no_reference_is_answered_with_an_example(ref, outbox, filled):
    shown = outbox("show", ref)

    assert (shown.code, shown.out) == (2, "")
    assert "instance-0/17" in shown.err


def test_r24_retry_puts_a_parked_report_back_and_withdraws_the_failure_in_its_place(outbox, filled):
    shown = outbox("retry", "instance-0/1")

    assert (shown.code, shown.out) == (0, "instance-0/1  waiting\n")
    assert shown.err == "instance-0/1: the failure in its place is withdrawn\n"
    assert states(outbox) == {"instance-0/1": "waiting", "instance-0/3": "waiting", "instance-0/-": "held"}


def test_r24_a_claim_that_has_ended_on_the_server_is_not_reported_again(outbox, store):
    place = store()
    settled(place.box, place.commit("big"), Park("HTTP 413", SHORT))
    settled(place.box, place.box.after(0, 9)[-1], Settle(Settlement.ACCEPTED))
    place.close()
    shown = outbox("retry", "instance-0/1")

    assert (shown.code, shown.out) == (2, "")
    assert "this claim is over: retry the task on the server" in shown.err
    assert states(outbox) == {"instance-0/1": "parked"}


def test_retry_all_goes_on_after_a_report_that_cannot_be_sent_again(outbox, store):
    place = store()
    settled(place.box, place.commit("over"), Park("HTTP 413", SHORT))
    settled(place.box, place.box.after(0, 9)[-1], Settle(Settlement.ACCEPTED))
    settled(place.box, place.commit("good"), Park("no such task"))
    place.close()
    shown = outbox("retry", "--all")

    assert (shown.code, shown.out) == (1, "instance-0/3  waiting\n")
    assert shown.err.startswith("instance-0/1: the failure that was reported in its place")
    assert outbox("retry", "--all").code == 1


def test_retry_all_of_nothing_says_so(outbox, folder):
    shown = outbox("retry", "--all")

    assert (shown.code, shown.out, shown.err) == (0, "", f"nothing parked in {folder}\n")


@pytest.mark.parametrize("arguments", [(), ("instance-0/1", "--all")])
def test_retry_wants_either_names_or_all(arguments, outbox, filled):
    shown = outbox("retry", *arguments)

    assert (shown.code, shown.out) == (2, "")
    assert "name the reports to retry, or say --all" in shown.err


def test_drop_deletes_and_prints_what_can_be_kept_as_one_json_line(outbox, filled):
    shown = outbox("drop", "instance-0/1", "instance-0/3", "--yes")

    assert (shown.code, shown.err) == (0, "")
    first, second = (json.loads(line) for line in shown.out.splitlines())
    assert (first["ref"], first["outcome"], first["detail"][:8]) == (
        "instance-0/1",
        {"of": "big"},
        "HTTP 413",
    )
    assert second["task_id"] == "slow"
    assert states(outbox) == {"instance-0/2": "waiting", "instance-0/-": "held"}


def test_drop_without_a_terminal_wants_yes(outbox, filled, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    shown = outbox("drop", "instance-0/1")

    assert (shown.code, shown.out) == (2, "")
    assert "say --yes" in shown.err
    assert states(outbox)["instance-0/1"] == "parked"


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, False), ("n", 130, True)])
def test_drop_on_a_terminal_asks_first(answer, code, left, outbox, filled, monkeypatch):
    asked = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda text: asked.append(text) or answer)
    shown = outbox("drop", "instance-0/1")

    assert shown.code == code
    assert ("instance-0/1" in states(outbox)) is left
    assert (shown.out == "") is left
    assert "the parked completed report of task big" in "".join(asked) + shown.err


@pytest.mark.parametrize("command", [("retry",), ("drop", "--yes")])
def test_r38_nothing_is_changed_under_a_worker_that_runs(command, outbox, filled, folder):
    worker = take_instance(folder)
    shown = outbox(*command, "instance-0/1")

    assert (shown.code, shown.out) == (2, "")
    assert "a worker runs on instance-0: stop it first" in shown.err
    assert states(outbox)["instance-0/1"] == "parked"
    worker.release()
    assert outbox(*command, "instance-0/1").code == 0


def test_without_a_command_the_group_tells_its_commands(cli):
    shown = cli("outbox")

    assert (shown.code, shown.err) == (0, "")
    assert shown.out == cli("outbox", "--help").out
