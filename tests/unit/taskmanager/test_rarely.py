from prismq_worker_sdk.taskmanager.rarely import MOST, Rarely


def test_the_same_is_said_once_in_a_while_and_something_else_at_once():
    now = [0.0]
    rarely = Rarely(10, lambda: now[0])

    assert [rarely.is_due("a"), rarely.is_due("a"), rarely.is_due("b")] == [True, False, True]
    now[0] = 9.9
    assert not rarely.is_due("a")
    now[0] = 10
    assert rarely.is_due("a")


def test_what_is_remembered_is_bounded():
    rarely = Rarely(10, lambda: 0.0)
    for number in range(10 * MOST):
        rarely.is_due(str(number))

    assert len(rarely._said) <= MOST
