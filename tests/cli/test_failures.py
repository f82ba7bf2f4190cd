"""What a person is told of failures that are expected."""

from psycopg import errors

from merchantry.cli.failures import told


def test_a_lock_that_somebody_holds_is_not_told_as_a_wrong_address() -> None:
    first, remedy = told(errors.LockNotAvailable("canceling statement due to lock timeout"))
    assert "lock timeout" in first
    assert "try again" in remedy
    assert "--database-url" not in remedy


def test_a_fault_of_ours_is_not_told_away() -> None:
    assert list(told(ZeroDivisionError())) == []
