"""What stands in the way of a merchant's last settlement, and of its end."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from merchantry.domain.ledger import Account
from merchantry.domain.winding_up import (
    COUNTED,
    Blocker,
    Obstacle,
    Standing,
    before_the_end,
    before_the_last_settlement,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def standing(**facts: Any) -> Standing:
    usual: dict[str, Any] = {
        "counts": {},
        "last_sale_at": None,
        "last_charge_at": None,
        "undecided_statements": 0,
        "statements_accepted_by": None,
        "jobs": 0,
    }
    return Standing(**{**usual, **facts})


def test_nothing_stands_in_the_way_of_a_merchant_that_never_sold() -> None:
    assert before_the_last_settlement(standing(), NOW) == ()
    assert before_the_end(standing(), keep_debt=False) == ()


@pytest.mark.parametrize("obstacle", COUNTED)
def test_everything_open_must_end_first(obstacle: Obstacle) -> None:
    assert before_the_last_settlement(standing(counts={obstacle: 2}), NOW) == (Blocker(obstacle, 2),)


def test_windows_close_by_themselves_to_the_instant() -> None:
    sold = standing(last_sale_at=NOW - 14 * DAY, last_charge_at=NOW - 120 * DAY)
    assert before_the_last_settlement(sold, NOW) == ()
    just_before = NOW - timedelta(microseconds=1)
    assert before_the_last_settlement(sold, just_before) == (
        Blocker(Obstacle.RETURN_WINDOW, until=NOW),
        Blocker(Obstacle.CHARGEBACK_WINDOW, until=NOW),
    )


def test_cash_has_no_chargebacks() -> None:
    assert before_the_last_settlement(standing(last_sale_at=NOW - 20 * DAY), NOW) == ()


def test_money_that_is_set_aside_is_named_by_account_and_currency() -> None:
    aside = {
        (Account.MERCHANT_RESERVED.value, "EUR"): 500,
        (Account.MERCHANT_HELD.value, "BRL"): 70,
        (Account.MERCHANT_AVAILABLE.value, "BRL"): 1,
    }
    found = before_the_last_settlement(standing(balances=aside), NOW)
    assert {(each.obstacle, each.currency, each.amount_minor) for each in found} == {
        (Obstacle.MONEY_SET_ASIDE, "EUR", 500),
        (Obstacle.MONEY_SET_ASIDE, "BRL", 70),
    }


def test_a_rest_is_paid_and_a_debt_is_decided_on_before_the_end() -> None:
    account = Account.MERCHANT_AVAILABLE.value
    rest = standing(balances={(account, "BRL"): -900, (account, "EUR"): 40}, jobs=3)
    assert before_the_end(rest, keep_debt=False) == (
        Blocker(Obstacle.DEBT, currency="BRL", amount_minor=900),
        Blocker(Obstacle.NOT_PAID_OUT, currency="EUR", amount_minor=40),
    )
    assert [each.obstacle for each in before_the_end(rest, keep_debt=True)] == [Obstacle.NOT_PAID_OUT]


def test_statements_are_decided_and_all_work_is_done_before_the_end() -> None:
    waiting = standing(undecided_statements=2, statements_accepted_by=NOW, jobs=2)
    assert before_the_end(waiting, keep_debt=False) == (Blocker(Obstacle.UNDECIDED_STATEMENT, 2, NOW),)
    assert before_the_end(standing(jobs=1), keep_debt=False) == (Blocker(Obstacle.WORK_TO_DO, 1),)
