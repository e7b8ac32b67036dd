import json
import re
import subprocess
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.bench import __main__ as bench
from tests.bench import depth, figures, path, prismq_client, server_pairs, slots, startup, throughput
from tests.bench.backlog import fresh_strict, kept_embedded
from tests.bench.figures import ROUNDS, Row, Table
from tests.support.processes import ROOT

NO_BENCH = {
    *("__init__", "__main__", "backlog", "busy_slots", "comparing", "figures", "fixed_answer", "goals"),
    *("lean_server", "noop", "page", "plain", "processes", "rounds", "sampling"),
}


def test_the_fastest_benches_print_one_json_object_for_each_table():
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "http_call", "outbox_commit", "--seconds", "0.1", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    tables = [json.loads(line) for line in done.stdout.splitlines()]

    assert (done.returncode, done.stderr) == (0, "")
    assert [table["bench"] for table in tables] == ["http_call"] * 6 + ["outbox_commit"] * 2
    for row in (row for table in tables for row in table["rows"]):
        assert 0 < row["min"] <= row["median"] <= row["max"], row
        assert row["rounds"] >= ROUNDS


def test_claims_from_a_deep_backlog_leave_it_as_deep():
    with depth.sqlite(1) as url:
        claims = depth.Claims(url, depth.SLICE)
        assert claims(0.001) > 0
        with claims._database.reading.connect() as db:
            assert (
                db.exec_driver_sql("SELECT count(*) FROM tasks WHERE status = 'pending'").scalar()
                == depth.SLICE
            )


def test_the_table_is_aligned_and_has_its_unit_in_the_header():
    head, *lines = (
        Table("calls", "µs", [Row("peer", [2000.0, 1000.0, 3000.0]), Row("a longer name", [0.5], "7")])
        .text()
        .splitlines()
    )

    assert re.split(r"\s{2,}", head) == [
        "calls",
        "median µs",
        "min µs",
        "max µs",
        "of first",
        "rounds",
        "for scale",
    ]
    assert re.split(r"\s{2,}", lines[0]) == ["peer", "2,000", "1,000", "3,000", "1.00", "3"]
    assert re.split(r"\s{2,}", lines[1]) == ["a longer name", "0.50", "0.50", "0.50", "0.00", "1", "7"]
    assert lines[0].index("2,000") + len("2,000") == head.index("median µs") + len("median µs")


def test_the_rows_take_turns_for_at_least_five_rounds():
    turns = []
    cells = {name: lambda share, name=name: turns.append((name, share)) or 1.0 for name in "ab"}
    samples = figures.interleaved(cells, 0.0)

    assert [name for name, _share in turns] == ["a", "b"] * ROUNDS
    assert samples == {"a": [1.0] * ROUNDS, "b": [1.0] * ROUNDS}


@pytest.fixture
def benches(monkeypatch):
    """Stands benches in for the real ones: name → what runs."""

    def put(**runs):
        for name, run in runs.items():
            monkeypatch.setitem(sys.modules, f"tests.bench.{name}", SimpleNamespace(run=run, __doc__=name))
        monkeypatch.setattr(bench, "BENCHES", tuple(runs))

    return put


def good(_seconds):
    yield Table("good", "s", [Row("peer", [1.0])])


def test_a_bench_that_breaks_is_named_and_stops_no_other(benches, capsys):
    def broken(_seconds):
        raise RuntimeError("no such thing")
        yield

    benches(broken=broken, good=good)

    assert bench.main([]) == 1
    said = capsys.readouterr()
    assert "good  median s" in said.out
    assert said.err == "broken could not be measured: RuntimeError: no such thing\n"


def test_a_run_that_is_cut_has_printed_what_was_done_and_says_how_to_go_on(benches, capsys):
    def cut(_seconds):
        raise KeyboardInterrupt
        yield

    benches(first=good, second=cut, third=good)

    assert bench.main([]) == 130
    said = capsys.readouterr()
    assert said.out.count("good  median s") == 1
    assert said.err == "cut; go on with: python -m tests.bench second third\n"


def test_only_the_benches_that_are_named_run(benches, capsys):
    benches(first=good, second=good)

    assert bench.main(["second"]) == 0
    assert re.findall(r"^\[(\w+):", capsys.readouterr().out, re.MULTILINE) == ["second"]


def test_an_unknown_bench_is_refused_with_those_there_are(capsys):
    with pytest.raises(SystemExit) as ended:
        bench.main(["nonsense"])

    assert ended.value.code == 2
    assert "there is no bench 'nonsense'; there are path, http_call, outbox_commit" in capsys.readouterr().err


def test_every_file_of_a_bench_is_on_the_list():
    files = {
        path.stem for path in Path(bench.__file__).parent.glob("*.py") if not path.stem.startswith("test_")
    }

    assert files - NO_BENCH == set(bench.BENCHES)


@pytest.mark.parametrize("name", [throughput.PEER, 4], ids=["plain", "worker"])
def test_one_turn_of_throughput_works_off_its_backlog(tmp_path, name):
    rate, cpu = throughput.Cell(fresh_strict, name, tmp_path, count())(0.0)

    assert rate > 0
    assert cpu > 0


def test_one_turn_of_the_server_works_off_its_backlog(tmp_path):
    with kept_embedded(tmp_path) as opened:
        assert server_pairs.Drain(opened, 2)(0.0) > 0


def test_one_start_with_process_slots_reaches_its_first_result_in_a_child():
    took, (resident, alone) = slots.first_task("process")

    assert took > 0
    assert resident > alone > 0


def test_the_path_of_a_task_counts_moves_on_each_thread_by_itself():
    steps = [("a", "one.py"), ("b", "two.py"), ("a", "one.py"), ("a", "two.py"), ("b", "two.py")]
    trace = path.Trace([path.Call(thread, file, "go") for thread, file in steps])

    assert trace.figures() == {"files": 2, "functions": 2, "moves between files": 3, "calls": 5}
    assert re.search(r"^files +2  ≤ 20$", trace.text(), re.MULTILINE)
    assert trace.values()["files"] == {"one.py": 2, "two.py": 3}


def test_the_path_of_a_task_leads_from_its_claim_over_the_outbox_to_its_report():
    files = list(path.traced().files())

    assert any(file.startswith("wire/") for file in files)
    assert any(file.startswith("outbox/") for file in files)
    assert not any(file.startswith("taskmanager/") for file in files)


def test_one_start_reaches_its_first_claim():
    assert startup.first_claim(0.0) > 0


def test_a_small_load_on_the_server_in_production_costs_little_more_than_a_claim_and_a_report(tmp_path):
    fleet = prismq_client.load(tmp_path, workers=2, slots=2, tasks=40)

    assert fleet.of("claim") >= 40
    assert 2.0 <= fleet.requests() / 40 < 3.0


def test_the_busy_slots_of_a_worker_far_from_its_server_are_counted(tmp_path):
    table = prismq_client.busy(tmp_path, 0.01, [1], slots=2, tasks=12)

    most, working, taken = (row.samples[0] for row in table.rows)
    assert 0 < working <= taken
    assert most < 2


def test_an_idle_minute_is_counted_by_the_clock_of_the_simulation(tmp_path):
    row = prismq_client.idle(tmp_path / "idle", 1, 1, 0)

    assert (row.what, len(row.samples), row.scale) == ("1 worker, 1 type", prismq_client.MINUTES, "")
    assert all(4 <= minute <= 12 for minute in row.samples)
