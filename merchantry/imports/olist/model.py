"""The rows of the Olist files as what was sold: checkouts, their orders and lines, and what they refer to."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from merchantry.domain.errors import InvalidInput
from merchantry.gateways.payment import Tender
from merchantry.imports.olist.files import BrokenRow, Row, Skipped, Table, find_files, rows
from merchantry.services.category import check_code

UNCATEGORISED: Final = "uncategorised"
SLUG_LETTERS: Final = 10

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Line:
    """Item rows of one order with equal product and price."""

    product_id: str
    unit_price_minor: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Order:
    """One seller's part of a checkout."""

    seller_id: str
    lines: tuple[Line, ...]
    shipping_minor: int

    @property
    def total_minor(self) -> int:
        """Goods and shipping."""
        return sum(line.unit_price_minor * line.quantity for line in self.lines) + self.shipping_minor


@dataclass(frozen=True, slots=True)
class Buyer:
    """``subject`` is the same for all checkouts of one person."""

    subject: str
    city: str
    postal_code: str


@dataclass(frozen=True, slots=True)
class Sale:
    """One checkout as it really happened; ``file`` and ``line`` say where its row stands."""

    id: str
    file: str
    line: int
    buyer: Buyer
    placed_at: datetime
    captured_at: datetime
    shipped_at: datetime | None
    delivered_at: datetime | None
    orders: tuple[Order, ...]
    tenders: tuple[Tender, ...]

    @property
    def total_minor(self) -> int:
        """What its orders come to."""
        return sum(order.total_minor for order in self.orders)

    @property
    def paid_minor(self) -> int:
        """What its payments come to."""
        return sum(tender.amount_minor for tender in self.tenders)

    def skipped(self, reason: str) -> Skipped:
        """This checkout, left out."""
        return Skipped(self.file, self.line, reason, self.id)


@dataclass(frozen=True, slots=True)
class Source:
    """Everything that can be imported, checkouts in the order in which they were placed, and what can't."""

    sales: tuple[Sale, ...]
    categories: Mapping[str, str]
    """By product, all of the file's."""
    skipped: tuple[Skipped, ...]

    @property
    def seller_ids(self) -> list[str]:
        """Everybody who sold something."""
        return sorted({order.seller_id for sale in self.sales for order in sale.orders})

    @property
    def categories_sold(self) -> set[str]:
        """Categories of the products that were sold."""
        return {
            self.categories[line.product_id] for sale in self.sales for order in sale.orders for line in order.lines
        }


def slug_of(seller_id: str) -> str:
    """The merchant's slug."""
    return f"olist-{seller_id[:SLUG_LETTERS]}"


def read(directory: Path, now: datetime) -> Source:
    """All seven files. Raises FilesRefused; rows that are broken are skipped, and so are the checkouts they belong to.

    ``now`` is the latest moment that a row may name.
    """
    return _Reader(find_files(directory), now).source()


@dataclass(frozen=True, slots=True)
class _Item:
    product_id: str
    seller_id: str
    price_minor: int
    freight_minor: int


@dataclass
class _Reader:
    """Reads file after file; what is refused is collected with the checkouts that it spoils."""

    files: Mapping[Table, Path]
    now: datetime
    skipped: list[Skipped] = field(default_factory=list)
    spoilt: set[str] = field(default_factory=set)

    def source(self) -> Source:
        english = self._keyed(Table.CATEGORIES, "product_category_name", _english)
        products = self._keyed(Table.PRODUCTS, "product_id", lambda row: _category(row, english))
        buyers = self._keyed(Table.CUSTOMERS, "customer_id", _buyer)
        sellers = self._sellers()
        order_rows = self._keyed(Table.ORDERS, "order_id", lambda row: self._times(row, buyers))
        items = self._several(Table.ITEMS, "order_item_id", order_rows, lambda row: _item(row, products, sellers))
        tenders = self._several(Table.PAYMENTS, "payment_sequential", order_rows, _tender)
        sales = []
        for order_id, (row, buyer, moments) in order_rows.items():
            if order_id in self.spoilt:
                continue
            if order_id not in items:
                self._skip(row.skipped(f"order {order_id} has no row in {self.files[Table.ITEMS].name}"))
                continue
            paid = tuple(tenders.get(order_id, {}).values())
            sales.append(Sale(order_id, row.file, row.line, buyer, *moments, _orders(items[order_id].values()), paid))
        sales.sort(key=lambda sale: (sale.placed_at, sale.id))
        return Source(tuple(sales), products, tuple(self.skipped))

    def _keyed(self, table: Table, column: str, parse: Callable[[Row], V]) -> dict[str, V]:
        """A file with one row for each key; of rows with the same key the first one counts."""
        found: dict[str, V] = {}
        for row in self._rows(table):
            try:
                key = row.texts[column] if table is Table.CATEGORIES else row.identifier(column)
                if key in found:
                    raise BrokenRow(f"{column} {key} stands in an earlier row already")
                found[key] = parse(row)
            except BrokenRow as error:
                skipped = row.skipped(str(error))
                self._skip(skipped if skipped.checkout not in found else replace(skipped, checkout=None))
        return found

    def _several(
        self, table: Table, number: str, orders: Mapping[str, object], parse: Callable[[Row], V]
    ) -> dict[str, dict[int, V]]:
        """A file with numbered rows of each order, by order and number. A broken row spoils its whole checkout."""
        found: dict[str, dict[int, V]] = defaultdict(dict)
        for row in self._rows(table):
            try:
                order_id, position = row.identifier("order_id"), row.number(number)
                if order_id not in orders:
                    if order_id in self.spoilt:
                        continue  # named with its own row already
                    raise BrokenRow(f"order {order_id} is not in {self.files[Table.ORDERS].name}")
                if position in found[order_id]:
                    raise BrokenRow(f"{number} {position} of order {order_id} stands in an earlier row already")
                found[order_id][position] = parse(row)
            except BrokenRow as error:
                self._skip(row.skipped(str(error)))
        return {order_id: dict(sorted(rows.items())) for order_id, rows in found.items()}

    def _sellers(self) -> set[str]:
        """Sellers whose slugs tell them apart."""
        slugs: dict[str, str] = {}

        def parse(row: Row) -> str:
            seller_id = row.identifier("seller_id")
            holder = slugs.setdefault(slug_of(seller_id), seller_id)
            if holder != seller_id:
                raise BrokenRow(f"seller_id {seller_id} begins like {holder}, so both would be {slug_of(seller_id)}")
            return seller_id

        return set(self._keyed(Table.SELLERS, "seller_id", parse))

    def _times(
        self, row: Row, buyers: Mapping[str, Buyer]
    ) -> tuple[Row, Buyer, tuple[datetime, datetime, datetime | None, datetime | None]]:
        customer_id = row.identifier("customer_id")
        if customer_id not in buyers:
            raise BrokenRow(f"customer_id {customer_id} is not in {self.files[Table.CUSTOMERS].name}, or broken there")
        placed_at = row.instant("order_purchase_timestamp", until=self.now)
        if placed_at is None:
            raise BrokenRow("order_purchase_timestamp is empty")
        captured_at = row.instant("order_approved_at", until=self.now) or placed_at
        shipped_at = row.instant("order_delivered_carrier_date", until=self.now)
        delivered_at = row.instant("order_delivered_customer_date", until=self.now)
        # What has arrived was shipped, whether the carrier said so or not.
        return row, buyers[customer_id], (placed_at, captured_at, shipped_at or delivered_at, delivered_at)

    def _rows(self, table: Table) -> Iterator[Row]:
        for row in rows(self.files[table]):
            if isinstance(row, Row):
                yield row
            else:
                self._skip(row)

    def _skip(self, skipped: Skipped) -> None:
        self.skipped.append(skipped)
        if skipped.checkout:
            self.spoilt.add(skipped.checkout)


def _english(row: Row) -> str:
    return row.texts["product_category_name_english"]


def _category(row: Row, english: Mapping[str, str]) -> str:
    own = row.texts["product_category_name"]
    code = english.get(own) or own or UNCATEGORISED
    try:
        check_code(code)
    except InvalidInput as error:
        raise BrokenRow(f"category {code!r} can't be a code: {error}") from error
    return code


def _buyer(row: Row) -> Buyer:
    city, postal_code = row.texts["customer_city"], row.texts["customer_zip_code_prefix"]
    return Buyer(row.identifier("customer_unique_id"), _text(city), _text(postal_code))


def _text(text: str) -> str:
    """PostgreSQL keeps no NUL."""
    if "\0" in text:
        raise BrokenRow("the row holds a NUL character")
    return text


def _item(row: Row, products: Mapping[str, str], sellers: set[str]) -> _Item:
    item = _Item(
        row.identifier("product_id"),
        row.identifier("seller_id"),
        row.amount_minor("price"),
        row.amount_minor("freight_value"),
    )
    if item.product_id not in products:
        raise BrokenRow(f"product_id {item.product_id} is not among the products, or broken there")
    if item.seller_id not in sellers:
        raise BrokenRow(f"seller_id {item.seller_id} is not among the sellers, or broken there")
    return item


def _tender(row: Row) -> Tender:
    return Tender(_text(row.texts["payment_type"]), row.amount_minor("payment_value"))


def _orders(items: Iterable[_Item]) -> tuple[Order, ...]:
    """One order for each seller; rows of equal product and price are one line, their freight is the order's."""
    by_seller: dict[str, list[_Item]] = defaultdict(list)
    for item in items:
        by_seller[item.seller_id].append(item)
    return tuple(_order(seller_id, rows) for seller_id, rows in by_seller.items())


def _order(seller_id: str, items: list[_Item]) -> Order:
    pieces = Counter((item.product_id, item.price_minor) for item in items)
    lines = tuple(Line(product_id, price, quantity) for (product_id, price), quantity in pieces.items())
    return Order(seller_id, lines, sum(item.freight_minor for item in items))
