import pytest

from prismq_worker_sdk.model.trace_context import TraceContext

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
MALFORMED = {
    "nothing": "",
    "no text": 7,
    "null": None,
    "a list": [PARENT],
    "upper case": PARENT.upper(),
    "version ff": f"ff{PARENT[2:]}",
    "a short version": PARENT[1:],
    "a version that is no number": f"0x{PARENT[2:]}",
    "a trace of zeros": f"00-{'0' * 32}-{SPAN}-01",
    "a span of zeros": f"00-{TRACE}-{'0' * 16}-01",
    "a short trace": f"00-{TRACE[1:]}-{SPAN}-01",
    "a long trace": f"00-{TRACE}0-{SPAN}-01",
    "a short span": f"00-{TRACE}-{SPAN[1:]}-01",
    "no flags": PARENT[:-3],
    "short flags": PARENT[:-1],
    "long flags": f"{PARENT}0",
    "flags that are no number": f"{PARENT[:-2]}0x",
    "more behind version 00": f"{PARENT}-more",
    "a dash behind version 00": f"{PARENT}-",
    "a later version without a dash": f"01{PARENT[2:]}00",
    "blanks around it": f" {PARENT} ",
    "a line end": f"{PARENT}\n",
    "other digits": PARENT.replace("4", "٤"),
    "other dashes": PARENT.replace("-", "_"),
    "a NUL": f"{PARENT[:-1]}\0",
    "too much": f"01{PARENT[2:]}-{'x' * 100_000}",
}


@pytest.mark.parametrize("given", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_traceparent_counts_as_absent(given):
    assert TraceContext.read(given, "a=1") is None


def test_a_traceparent_names_trace_and_span():
    found = TraceContext.read(PARENT, "a=1, b=2")

    assert (found.trace_id, found.span_id, found.parent, found.state) == (TRACE, SPAN, PARENT, "a=1,b=2")


def test_a_later_version_is_passed_on_as_ours():
    assert TraceContext.read(f"cc-{TRACE}-{SPAN}-01-what-comes-then").parent == PARENT
    assert TraceContext.read(f"01-{TRACE}-{SPAN}-00").parent == f"{PARENT[:-2]}00"


def test_flags_that_nobody_knows_are_not_passed_on():
    assert TraceContext.read(f"{PARENT[:-2]}ff").parent == f"{PARENT[:-2]}03"


@pytest.mark.parametrize(
    "given",
    [
        "a",
        "=1",
        "a=",
        "a=1=2",
        "A=1",
        "a b=1",
        "a=ž",
        "a=1;b=2, c",
        "a=1,a=2",
        "-a=1",
        "a@=1",
        "a@b@c=1",
        "a=\x7f",
        f"{'k' * 257}=1",
        f"a={'v' * 257}",
        ",".join(f"k{n}=1" for n in range(33)),
        ["a=1"],
        "x=1," * 1_000_000,
    ],
    ids=lambda given: str(given)[:20],
)
def test_a_tracestate_with_a_fault_counts_as_absent_whole(given):
    assert TraceContext.read(PARENT, given) == TraceContext(PARENT)


@pytest.mark.parametrize("given", ["", " ", ",", " , ,", None, 7])
def test_no_tracestate_is_none(given):
    assert TraceContext.read(PARENT, given) == TraceContext(PARENT)


def test_members_are_kept_in_their_order_without_what_stands_around_them():
    assert TraceContext.read(PARENT, "\ta=1 ,, 9t@sys= x y\t,z*/_-=!").state == "a=1,9t@sys= x y,z*/_-=!"


def test_long_members_go_first_then_the_last_ones():
    long, short = [f"l{n}={'x' * 200}" for n in range(3)], [f"s{n}={'y' * 20}" for n in range(29)]

    some = TraceContext.read(PARENT, ",".join([long[0], *short[:5], long[1], long[2]])).state
    most = TraceContext.read(PARENT, ",".join([*long, *short])).state

    assert some == ",".join([long[0], *short[:5]])
    assert most == ",".join(short[:20])
    assert len(some) <= len(most) <= 512 < len(f"{most},{short[20]}")


def test_what_was_stored_is_read_again():
    for one in (TraceContext(PARENT), TraceContext(PARENT, "a=1,b= x")):
        assert TraceContext.parse(one.text()) == one
    assert TraceContext.parse("nonsense") is None
