import dataclasses
import math

import pytest

from prismq_worker_sdk import RetryPolicy


def test_a_policy_says_three_tries_unless_told_otherwise():
    policy = RetryPolicy()

    assert (policy.max_attempts, policy.initial, policy.factor, policy.ceiling) == (3, 0.5, 2.0, 30.0)


def test_a_policy_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RetryPolicy().max_attempts = 5


@pytest.mark.parametrize(
    "said",
    [
        {"max_attempts": 1},
        {"initial": 0.001},
        {"factor": 1},
        {"initial": 30, "ceiling": 30},
    ],
)
def test_the_edges_of_the_ranges_are_taken(said):
    assert dataclasses.asdict(RetryPolicy(**said)).items() >= said.items()


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"max_attempts": 0}, r"RetryPolicy\(max_attempts=0\) must be a whole number, 1 or more"),
        ({"max_attempts": -3}, "max_attempts=-3"),
        ({"max_attempts": 2.5}, "max_attempts=2.5"),
        ({"max_attempts": True}, "max_attempts=True"),
        ({"max_attempts": "3"}, "max_attempts='3'"),
        ({"initial": 0}, r"RetryPolicy\(initial=0\) must be more than 0"),
        ({"initial": math.nan}, "initial=nan"),
        ({"initial": "1s"}, "initial='1s'"),
        ({"factor": 0.5}, r"RetryPolicy\(factor=0.5\) must be 1 or more"),
        ({"factor": math.inf}, "factor=inf"),
        ({"ceiling": 0.1}, r"RetryPolicy\(ceiling=0.1\) must be at least initial \(0.5\)"),
        ({"ceiling": math.inf}, "ceiling=inf"),
        ({"ceiling": math.nan}, "ceiling=nan"),
        ({"ceiling": None}, "ceiling=None"),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_name(said, wanted):
    with pytest.raises(ValueError, match=wanted):
        RetryPolicy(**said)


def test_the_options_are_given_by_name():
    with pytest.raises(TypeError):
        RetryPolicy(3)
