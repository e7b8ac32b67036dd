"""The proofs by simulation, in small."""

from tests.prove import prismq_client, rules, simulation
from tests.simulation.mutants import MUTANTS


def test_a_few_plans_and_hours_prove_the_same_in_small():
    found = simulation.figures([simulation.run(0, 30), simulation.run_hours(0, 5)])

    assert list(simulation.failures(found)) == []
    assert found["plans"]["plans"] == 30
    assert "| plans | 30 | 5 |" in simulation.table(found)


def test_a_plan_that_breaks_a_promise_is_named():
    bad = {**simulation.run(0, 1), "found": 1, "findings": [{"seed": 7, "finding": "R9: twice"}]}
    found = simulation.figures([bad])

    assert list(simulation.failures(found)) == ["plans, seed 7: R9: twice"]


def test_a_rule_that_is_taken_out_is_counted_and_one_that_is_not_found_is_named():
    (number,) = [
        n for n, one in enumerate(MUTANTS) if one.what == "no more is claimed than there are free slots"
    ]
    done = rules.run(number, most=5)
    found = rules.figures([done, {**done, "plans": None, "tried": 5}])

    assert found["rules"][0]["plans"] == 1
    assert list(rules.failures(found)) == [
        "R4, no more is claimed than there are free slots: not found by 5 plans"
    ]
    assert "| R4 | no more is claimed than there are free slots | 1 | R4 |" in rules.table(found)


def test_the_plans_and_rules_of_prismq_client_prove_the_same_in_small():
    number = len(MUTANTS)
    found = prismq_client.figures([prismq_client.run(0, 10), rules.run(number, most=50)])

    assert list(prismq_client.failures(found)) == []
    assert found["rules"][0]["rule"] == "R2"
    assert "| plans | 10 |" in prismq_client.table(found)
