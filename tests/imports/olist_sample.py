"""A small data set of our own making in the format of the Olist files, and what the books must then say of it.

The expectations are worked out here from the rows, with decimals, by other means than the program's.
"""

import csv
import gzip
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Sao_Paulo")
FORMAT = "%Y-%m-%d %H:%M:%S"

ANA, BIA, CAU = (f"{letter}0{letter}1{letter}2{letter}3{letter}4" + letter * 22 for letter in "abc")
LAPTOP, SOAP, CHAIR, PC = (f"{number:032x}" for number in (0xD1, 0xD2, 0xD3, 0xD4))
CATEGORY = {LAPTOP: "computers", SOAP: "health_beauty", CHAIR: "uncategorised", PC: "pc_gamer"}
FIGURES = ("orders", "goods_minor", "shipping_minor", "commission_minor")


@dataclass(frozen=True)
class Piece:
    """One row of the items file."""

    seller: str
    product: str
    price: str
    freight: str


@dataclass(frozen=True)
class Bought:
    """One checkout. Times are wall-clock times in Sao Paulo; ``paid`` None means exactly what the pieces come to."""

    pieces: Sequence[Piece]
    bought: str
    approved: str = ""
    shipped: str = ""
    delivered: str = ""
    paid: Sequence[str] | None = None
    buyer: int = 0
    id: str = field(default="", compare=False)

    @property
    def captured(self) -> str:
        """When the money was captured."""
        return self.approved or self.bought

    @property
    def total(self) -> Decimal:
        """What the pieces come to."""
        return sum((Decimal(piece.price) + Decimal(piece.freight) for piece in self.pieces), Decimal())


def the_sales(now: datetime) -> list[Bought]:
    """Fourteen checkouts with everything that is odd. ``now`` is when they are imported."""
    yesterday = (now.astimezone(ZONE) - timedelta(days=1)).strftime(FORMAT)
    usual: dict[str, Any] = {"shipped": "2018-03-07 10:00:00", "delivered": "2018-03-12 18:30:00"}
    a_laptop = Piece(ANA, LAPTOP, "1234.56", "20.10")
    sales = [
        Bought([a_laptop], "2018-03-05 09:00:00", "2018-03-05 09:10:00", **usual),
        Bought(  # several merchants; the same product of two of them
            [Piece(ANA, LAPTOP, "1234.5", "10"), Piece(BIA, LAPTOP, "1199.99", "12.34"), Piece(CAU, SOAP, "9.99", "5")],
            "2018-03-31 23:30:00",
            "2018-04-01 00:30:00",
            "2018-04-02 08:00:00",
            "2018-04-10 12:00:00",
        ),
        Bought(  # one product at two prices: two lines, one of two pieces
            [
                Piece(BIA, SOAP, "3.33", "1.01"),
                Piece(BIA, SOAP, "3.35", "1.01"),
                Piece(BIA, SOAP, "3.33", "1.01"),
                Piece(BIA, CHAIR, "0.40", "0"),
            ],
            "2018-02-17 23:45:00",  # the night in which the clocks went back
            "2018-02-17 23:50:00",
            **usual,
        ),
        Bought([Piece(BIA, CHAIR, "80", "20")], "2018-03-06 10:00:00", paid=["60.00", "30.00", "10.00"], **usual),
        Bought([Piece(CAU, CHAIR, "80", "20")], "2018-03-06 11:00:00", paid=["100.01"], **usual),
        Bought([Piece(CAU, PC, "5000", "99.90")], "2018-03-06 12:00:00", shipped="2018-03-07 10:00:00"),
        Bought(
            [Piece(CAU, PC, "4999.99", "99.90")], "2018-03-06 12:00:00", "2018-03-08 12:00:00", **usual
        ),  # shipped before it was captured
        Bought(
            [Piece(BIA, SOAP, "12.5", "3")], "2018-03-06 12:00:00", "2018-03-14 12:00:00", **usual
        ),  # delivered before it was captured
        Bought(
            [Piece(ANA, PC, "10", "1")],
            "2018-03-06 12:00:00",
            shipped="2018-03-12 19:00:00",
            delivered="2018-03-12 18:30:00",
        ),
        Bought([Piece(ANA, SOAP, "0", "7.00")], "2018-03-06 13:00:00", **usual),  # a gift with freight
        Bought([Piece(CAU, SOAP, "0.10", "0")], "2018-03-06 14:00:00", **usual, buyer=1),
        Bought([Piece(BIA, LAPTOP, "3", "2")], "2018-03-06 15:00:00", delivered="2018-03-12 18:30:00"),  # no carrier
        Bought([Piece(BIA, LAPTOP, "200.05", "2")], yesterday, yesterday, yesterday, yesterday),  # still on hold
        Bought([Piece(CAU, CHAIR, "42", "2")], "2018-03-06 16:00:00"),  # never shipped
    ]
    return [replace(sale, id=f"{0xE00 + number:032x}") for number, sale in enumerate(sales)]


def write_files(directory: Path, sales: Sequence[Bought], *, gzipped: bool = False) -> Path:
    """The seven files."""
    directory.mkdir(parents=True, exist_ok=True)
    buyer = {sale.id: f"{0xF00 + (sale.buyer or number + 100):032x}" for number, sale in enumerate(sales)}
    tables: dict[str, tuple[str, list[Sequence[object]]]] = {
        "olist_orders_dataset": (
            "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,"
            "order_delivered_carrier_date,order_delivered_customer_date",
            [
                (sale.id, f"9{sale.id[1:]}", "any", sale.bought, sale.approved, sale.shipped, sale.delivered)
                for sale in sales
            ],
        ),
        "olist_order_items_dataset": (
            "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value",
            [
                (sale.id, number, piece.product, piece.seller, "", piece.price, piece.freight)
                for sale in sales
                for number, piece in enumerate(sale.pieces, 1)
            ],
        ),
        "olist_order_payments_dataset": (
            "order_id,payment_sequential,payment_type,payment_installments,payment_value",
            [
                (sale.id, number, "voucher" if number > 1 else "credit_card", 1, paid)
                for sale in sales
                for number, paid in enumerate(sale.paid or [str(sale.total)], 1)
            ],
        ),
        "olist_customers_dataset": (
            "customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state",
            [(f"9{sale.id[1:]}", buyer[sale.id], "01310", "são paulo", "SP") for sale in sales],
        ),
        "olist_sellers_dataset": (
            "seller_id,seller_zip_code_prefix,seller_city,seller_state",
            [(seller, "1", "belém, the harbour", "PA") for seller in (ANA, BIA, CAU)],
        ),
        "olist_products_dataset": (
            "product_id,product_category_name,product_photos_qty",
            [(LAPTOP, "informatica", 1), (SOAP, "beleza_saude", 1), (CHAIR, "", 1), (PC, "pc_gamer", 1)],
        ),
        "product_category_name_translation": (
            "product_category_name,product_category_name_english",
            [("informatica", "computers"), ("beleza_saude", "health_beauty")],
        ),
    }
    for name, (header, rows) in tables.items():
        path = directory / (f"{name}.csv.gz" if gzipped else f"{name}.csv")
        with gzip.open(path, "wt", newline="") if gzipped else path.open("w", newline="") as file:
            csv.writer(file).writerows([header.split(","), *rows])
    return directory


@dataclass
class Books:
    """What the reports must say."""

    by_month: dict[str, dict[str, int]]
    by_merchant: dict[str, dict[str, int]]
    by_category: dict[str, dict[str, int]]
    payable: dict[tuple[str, str], tuple[int, int]]


def books(sales: Sequence[Bought], plan: Mapping[str, Any], now: datetime) -> Books:
    """Worked out from the rows."""
    found: list[defaultdict[str, dict[str, int]]] = [defaultdict(lambda: dict.fromkeys(FIGURES, 0)) for _ in range(3)]
    payable: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for sale in sales:
        for seller in dict.fromkeys(piece.seller for piece in sale.pieces):
            lines = _lines([piece for piece in sale.pieces if piece.seller == seller], plan, seller)
            month = sale.captured[:7]
            touched = [(found[0], month, line) for line in lines] + [(found[1], slug(seller), line) for line in lines]
            for table, key, line in [*touched, *((found[2], CATEGORY[line["product"]], line) for line in lines)]:
                for name in FIGURES[1:]:
                    table[key][name] += line[name]
            found[0][month]["orders"] += 1
            found[1][slug(seller)]["orders"] += 1
            for category in {CATEGORY[line["product"]] for line in lines}:
                found[2][category]["orders"] += 1
            if sale.delivered:
                _hold(payable, sale, seller, lines, plan["hold_days"], now)
    by_month, by_merchant, by_category = (dict(table) for table in found)
    return Books(by_month, by_merchant, by_category, {key: (row[0], row[1]) for key, row in payable.items()})


def slug(seller: str) -> str:
    """The merchant's slug."""
    return f"olist-{seller[:10]}"


def _hold(
    payable: defaultdict[tuple[str, str], list[int]],
    sale: Bought,
    seller: str,
    lines: Sequence[Mapping[str, Any]],
    hold_days: int,
    now: datetime,
) -> None:
    ends = (datetime.fromisoformat(sale.delivered) + timedelta(days=hold_days)).replace(tzinfo=ZONE)
    if ends.astimezone(UTC) > now:
        return
    monday = ends.date() - timedelta(days=ends.weekday())
    row = payable[slug(seller), monday.isoformat()]
    row[0] += 1
    row[1] += sum(line["goods_minor"] + line["shipping_minor"] - line["commission_minor"] for line in lines)


def _lines(pieces: Sequence[Piece], plan: Mapping[str, Any], seller: str) -> list[dict[str, Any]]:
    """An order's lines with their share of shipping and their commission, all in centavos."""
    counted: dict[tuple[str, Decimal], int] = {}
    for piece in pieces:
        key = piece.product, Decimal(piece.price)
        counted[key] = counted.get(key, 0) + 1
    lines = [(product, price * 100 * number) for (product, price), number in counted.items()]
    shipping = sum((Decimal(piece.freight) * 100 for piece in pieces), Decimal())
    weights = [goods for _, goods in lines] if any(goods for _, goods in lines) else [Decimal(1)] * len(lines)
    shares = [shipping * weight // sum(weights) for weight in weights]
    left = shipping - sum(shares)
    for number, weight in enumerate(weights):
        if left and weight:
            shares[number] += 1
            left -= 1
    return [
        {
            "product": product,
            "goods_minor": int(goods),
            "shipping_minor": int(share),
            "commission_minor": _commission(goods, share, product, seller, plan),
        }
        for (product, goods), share in zip(lines, shares, strict=True)
    ]


def _commission(goods: Decimal, shipping: Decimal, product: str, seller: str, plan: Mapping[str, Any]) -> int:
    base = goods + shipping if plan["base"] == "goods_and_shipping" else goods
    merchant = plan.get("merchants", {}).get(slug(seller), {})
    terms = (
        merchant.get("product_categories", {}).get(CATEGORY[product])
        or ({key: value for key, value in merchant.items() if key != "product_categories"})
        or plan.get("product_categories", {}).get(CATEGORY[product])
        or plan["default"]
    )
    fixed, floor, cap = (terms.get(name, plan.get(name)) for name in ("fixed_minor", "floor_minor", "cap_minor"))
    commission = (base * terms["rate_bps"] / 10_000).quantize(Decimal(1), ROUND_HALF_UP) + (fixed or 0)
    if floor is not None:
        commission = max(commission, Decimal(floor))
    if cap is not None:
        commission = min(commission, Decimal(cap))
    return int(min(commission, base))
