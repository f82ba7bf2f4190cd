"""A slice of the real data, which lies beside the repository where there is any."""

import csv
import gzip
from collections.abc import Callable, Mapping
from pathlib import Path

from merchantry.imports.olist.model import Source
from merchantry.imports.olist.run import Stage

DATA = Path(__file__).parents[3] / "shared" / "data" / "olist"
MERCHANTS = 40


class Silent:
    """Progress that nobody is told of."""

    def begin(self, stage: Stage, total: int) -> None:
        """Nothing."""

    def advance(self, stage: Stage, done: int) -> None:
        """Nothing."""


def whole_merchants(source: Source) -> tuple[set[str], set[str]]:
    """Some sellers whose every checkout is theirs alone or theirs together, and those checkouts."""
    several = [sale for sale in source.sales if len(sale.orders) > 1]
    chosen = {order.seller_id for sale in several[:4] for order in sale.orders}
    chosen |= set(source.seller_ids[: MERCHANTS - len(chosen)])
    kept = {sale.id for sale in source.sales if {order.seller_id for order in sale.orders} & chosen}
    return chosen, kept


def copy(to: Path, name: str, keep: Callable[[Mapping[str, str]], bool]) -> list[dict[str, str]]:
    """Some rows of a file, plain; returns them."""
    with gzip.open(DATA / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = [row for row in reader if keep(row)]
    with (to / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(reader.fieldnames or ()))
        writer.writeheader()
        writer.writerows(rows)
    return rows
