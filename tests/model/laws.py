"""The laws of the books, recounted from raw rows after each step; nothing here comes from the program itself."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from tests.model.plain import rounded
from tests.model.reading import Books, Row

OPEN_PAYOUT = ("planned", "sending", "sent", "unknown", "failed", "paid", "returned")
PARTS = ("merchant_minor", "commission_minor", "commission_tax_minor", "payment_fee_minor")
SETTLED = {"payout_paid": "in_payout", "payout_cancelled": "in_payout", "payout_returned": "paid_out"}


def broken(found: Books, before: Books | None) -> list[str]:
    """What is wrong with a merchant's books, and with how they changed since they were read before."""
    wrong = [f"{law.__name__}: {each}" for law in LAWS for each in law(found)]
    return wrong + ([f"frozen: {each}" for each in frozen(found, before)] if before else [])


def total(rows: Sequence[Row], name: str = "amount_minor") -> int:
    """The sum of a column."""
    return sum(row[name] for row in rows)


def posted(entry: Row, account: str) -> int:
    """What an entry gives to an account; all is in one currency here."""
    return sum(amount for name, amount in zip(entry["account"], entry["amount"], strict=True) if name == account)


def leaves(found: Books) -> dict[int, str]:
    """What commits to each entry, whether the log has it or it waits for its place there."""
    return {row["seq"]: row["leaf"] for name in ("log_queue", "log_leaf") for row in found[name] if row["seq"]}


def frozen(found: Books, before: Books) -> Iterator[Any]:
    """What is booked or closed never changes, and nothing of it is ever lost."""
    for name in ("ledger_entry", "statement"):
        yield from _differing(before[name], found[name][: len(before[name])])
    for name, key in (("statement_line", "entry_seq"), ("platform_entry", "seq")):
        now = {row[key]: row for row in found[name]}
        yield from _differing(before[name], [now.get(row[key]) for row in before[name]])
    if not leaves(before).items() <= leaves(found).items():
        yield "commitments"


def _differing(before: Sequence[Row], now: Sequence[Row | None]) -> Iterator[Any]:
    if list(before) != list(now):
        yield "rows that were changed or lost"


def entries(found: Books) -> Iterator[Any]:
    """Each sums to zero; they are numbered without gaps, and each has its commitment; each corrects an earlier one."""
    rows = found["ledger_entry"]
    yield from (row for row in rows if sum(row["amount"]) or set(row["currency"]) != {"BRL"})
    if [row["seq"] for row in rows] != list(range(1, len(rows) + 1)):
        yield "numbers"
    if leaves(found).keys() != {row["seq"] for row in rows}:
        yield "commitments"
    if {row["name"]: row["value"] for row in found["counter"]}["entry"] != len(rows):
        yield "counter"
    yield from (row for row in rows if row["reverses"] is not None and not 0 < row["reverses"] < row["seq"])


def balances(found: Books) -> Iterator[Any]:
    """They are the sums of the postings."""
    sums = Counter[str]()
    for row in found["ledger_entry"]:
        for account, amount in zip(row["account"], row["amount"], strict=True):
            sums[account] += amount
    if {name: amount for name, amount in sums.items() if amount} != found.balances():
        yield sums


def sales(found: Books) -> Iterator[Any]:
    """What a buyer paid is what all parties got, line by line and in the ledger; what is released is pending no more;
    of the commission as much came back as of the goods did."""
    split, line = _by_order(found["split_line"]), _by_order(found["order_line"])
    booked = _by_order(found["ledger_entry"])
    for row in found["orders"]:
        paid = row["goods_minor"] + row["shipping_minor"]
        parts = sum(total(split[row["id"]], name) for name in PARTS)
        commission = total(split[row["id"]], "commission_minor")
        of = booked[row["id"]]
        captured = sum(-posted(each, "buyer_funds") for each in of if each["kind"] == "capture")
        lines = total(line[row["id"]], "goods_minor") + total(line[row["id"]], "shipping_minor")
        if not paid == parts == captured == lines or row["commission_minor"] != commission:
            yield row["id"], paid, parts, captured, lines, commission
        if row["available_at"] and sum(posted(each, "merchant_pending") for each in of):
            yield row["id"], "is released, and something of it is pending"
        back = total(line[row["id"]], "refunded_goods_minor")
        returned = rounded(Decimal(commission) * back / row["goods_minor"])
        kept = sum(posted(each, "platform_commission") for each in of)
        if kept != commission - returned:
            yield row["id"], "commission", kept, commission, returned


def refunds(found: Books) -> Iterator[Any]:
    """Orders, lines, refunds and entries say the same of what went back, and it is never more than was paid."""
    counted = [row for row in found["refund"] if row["kind"] != "chargeback" or row["status"] != "failed"]
    refund, line = _by_order(counted), _by_order(found["order_line"])
    for row in found["orders"]:
        of = total(refund[row["id"]])
        goods = total(line[row["id"]], "refunded_goods_minor"), total(refund[row["id"]], "goods")
        shipping = total(line[row["id"]], "refunded_shipping_minor"), total(refund[row["id"]], "shipping")
        is_right = row["refunded_minor"] == of == goods[0] + shipping[0] and goods[0] == goods[1]
        if not is_right or shipping[0] != shipping[1] or not 0 <= goods[0] <= row["goods_minor"]:
            yield row["id"], row["refunded_minor"], of, goods, shipping
        if not 0 <= shipping[0] <= row["shipping_minor"]:
            yield row["id"], "shipping", shipping
    for row in found["refund"]:
        entry = found["ledger_entry"][row["entry_seq"] - 1]
        above = row["parties"].get("excess_minor", 0)
        to_buyer = posted(entry, "refunds") + posted(entry, "buyer_funds") - above
        if to_buyer != row["amount_minor"] or -posted(entry, "platform_commission") != row["commission_minor"]:
            yield row["id"], to_buyer, row


def payments(found: Books) -> Iterator[Any]:
    """A payment's tenders say what it refunded, and never more than it was."""
    tenders: dict[str, list[Row]] = {}
    for row in found["tender"]:
        tenders.setdefault(row["payment_id"], []).append(row)
    for row in found["payment"]:
        of = tenders[row["id"]]
        if (total(of), total(of, "refunded_minor")) != (row["amount_minor"], row["refunded_minor"]):
            yield row
        if not 0 <= row["refunded_minor"] <= row["amount_minor"]:
            yield row


def platform(found: Books) -> Iterator[Any]:
    """The platform's subledger has what the merchant's ledger gives it, and says what of it is earned."""
    sums = Counter[str]()
    for row in found["platform_entry"]:
        if sum(row["amount"]):
            yield row
        for account, amount in zip(row["account"], row["amount"], strict=True):
            sums[account] += amount
    kept, released = found.balances(), {row["id"] for row in found["orders"] if row["available_at"]}
    earned = sum(posted(row, "platform_commission") for row in found["ledger_entry"] if row["order_id"] in released)
    expected = {
        "commission_pending": kept.get("platform_commission", 0) - earned,
        "commission_earned": earned,
        "payment_fees_recovered": kept.get("payment_fee", 0),
        "expense": kept.get("platform_expense", 0),
    }
    if any(sums[name] != amount for name, amount in expected.items()):
        yield sums, expected


def statements(found: Books) -> Iterator[Any]:
    """Opening and lines are the closing balance, which the next one opens with; an entry is claimed once, as it was
    booked, in its own period or later; what is closed and what is not claimed yet is the available balance."""
    rows, lines = found["statement"], found["statement_line"]
    changes = {row["seq"]: row for row in found["ledger_entry"] if "merchant_available" in row["account"]}
    if len({line["entry_seq"] for line in lines}) != len(lines):
        yield "an entry is claimed twice"
    closing = 0
    for number, row in enumerate(rows, start=1):
        own = [line for line in lines if line["statement_id"] == row["id"]]
        if (row["opening_minor"], row["closing_minor"]) != (closing, closing + total(own)):
            yield row
        if row["entries"] != len(own) or not row["number"].endswith(f"-S{number:05d}"):
            yield row
        yield from (line for line in own if line["available_at"] >= row["ends_at"])
        closing = row["closing_minor"]
    yield from (pair for pair in pairwise(rows) if pair[0]["ends_at"] > pair[1]["starts_at"])
    for line in lines:
        if posted(changes[line["entry_seq"]], "merchant_available") != line["amount_minor"]:
            yield line
    claimed = {line["entry_seq"] for line in lines}
    unclaimed = sum(posted(row, "merchant_available") for seq, row in changes.items() if seq not in claimed)
    if closing + unclaimed != found.balances().get("merchant_available", 0):
        yield closing, unclaimed


def payouts(found: Books) -> Iterator[Any]:
    """One for a statement, never above it; a new attempt only after a definite failure; the accounts say the same."""
    closing = {row["id"]: row["closing_minor"] for row in found["statement"]}
    alive = [row["statement_id"] for row in found["payout"] if row["status"] in OPEN_PAYOUT]
    if len(set(alive)) != len(alive):
        yield "two payouts of a statement"
    yield from (row for row in found["payout"] if not 0 < row["amount_minor"] <= closing[row["statement_id"]])
    attempts: dict[str, list[Row]] = {}
    for row in found["payout_instruction"]:
        attempts.setdefault(row["payout_id"], []).append(row)
    for row in found["payout"]:
        of = attempts.get(row["id"], [])
        if of and of[-1]["amount_minor"] != row["amount_minor"]:
            yield row
        yield from (each for each in of[:-1] if each["status"] != "rejected")
        arrived = sum(each["amount_minor"] for each in of if each["status"] in ("paid", "returned"))
        if arrived != row["paid_minor"]:
            yield row
    kept = found.balances()
    open_minor = sum(row["amount_minor"] - row["paid_minor"] for row in found["payout"] if row["status"] != "cancelled")
    if kept.get("in_payout", 0) != open_minor:
        yield "in payout", open_minor
    if kept.get("paid_out", 0) != total(found["payout"], "paid_minor") - total(found["payout"], "returned_minor"):
        yield "paid out"


def chargebacks(found: Books) -> Iterator[Any]:
    """What is held is what open ones hold; one round of a reference at a time; orders count what is open; no refund is
    linked twice."""
    rows = found["chargeback"]
    opened = [row for row in rows if row["status"] == "opened"]
    if found.balances().get("merchant_held", 0) != total(opened, "held_minor"):
        yield "held"
    last = {row["provider_reference"]: row for row in rows}
    yield from (row for row in opened if last[row["provider_reference"]] is not row)
    open_of = Counter(row["order_id"] for row in opened)
    yield from (row for row in found["orders"] if row["open_disputes"] != open_of[row["id"]])
    since_won = Counter[tuple[str, str]]()
    for row in rows:
        key = row["order_id"], row["provider_reference"]
        since_won[key] = 0 if row["status"] == "won" else since_won[key] + row["covered_minor"]
    linked = Counter[str]()
    for (order_id, _), amount in since_won.items():
        linked[order_id] += amount
    refunded = Counter[str]()
    for row in found["refund"]:
        refunded[row["order_id"]] += row["amount_minor"] if row["kind"] != "chargeback" else 0
    yield from ((order_id, amount) for order_id, amount in linked.items() if amount > refunded[order_id])


def stock(found: Books) -> Iterator[Any]:
    """Reserved is what is still to be shipped; the buyer's index has the orders as they are."""
    reserved = Counter[str]()
    for row in found["order_line"]:
        reserved[row["variant_id"]] += row["quantity"] - row["shipped"] - row["cancelled"]
    yield from (row for row in found["variant"] if row["reserved"] != reserved[row["id"]])
    index = {row["order_id"]: row["status"] for row in found["buyer_order"]}
    yield from (row for row in found["orders"] if index[row["id"]] != row["status"])


def reports(found: Books) -> Iterator[Any]:
    """Days add up to captures and refunds, and to what was released; invoices are numbered without gaps."""
    days = [row for row in found["daily_total"] if row["category"] == "*"]
    sold = sum(-posted(row, "buyer_funds") for row in found["ledger_entry"] if row["kind"] == "capture")
    counted = [row for row in found["refund"] if row["kind"] != "chargeback" or row["status"] != "failed"]
    if total(days, "goods_minor") + total(days, "shipping_minor") != sold:
        yield "sold", sold
    if total(days, "refunds_minor") != total(counted):
        yield "refunds", total(counted)
    kept = total(days, "commission_minor") - total(days, "commission_returned_minor")
    if kept != found.balances().get("platform_commission", 0):
        yield "commission", kept
    released = sum(posted(row, "merchant_available") for row in found["ledger_entry"] if row["kind"] == "release")
    if total(found["daily_available"], "payable_minor") != released:
        yield "released", released
    for kind in ("invoice", "credit_note"):
        numbers = sorted(row["number"] for row in found["commission_invoice"] if row["kind"] == kind)
        if [int(number[-5:]) for number in numbers] != list(range(1, len(numbers) + 1)):
            yield numbers


def _by_order(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Refunds have their lines' amounts summed."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if isinstance(row.get("goods_minor"), list):
            row = {**row, "goods": sum(row["goods_minor"]), "shipping": sum(row["shipping_minor"])}
        found.setdefault(str(row["order_id"]), []).append(row)
    return _Missing(found)


class _Missing(dict[str, list[Row]]):
    """Nothing happened to what is not there."""

    def __missing__(self, key: str) -> list[Row]:
        return []


LAWS: tuple[Callable[[Books], Iterator[Any]], ...] = (
    entries,
    balances,
    sales,
    refunds,
    payments,
    platform,
    statements,
    payouts,
    chargebacks,
    stock,
    reports,
)
