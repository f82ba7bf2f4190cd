"""What a superuser can do to a log and its entries, drawn at random; each says what must be named where it is found."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy.ext.asyncio import AsyncConnection

from merchantry.domain.checkpoint import Checkpoint, head_record
from merchantry.domain.merkle import leaf_hash
from merchantry.domain.tile import WIDTH
from merchantry.transparency.signing import Signer
from tenancy.schemas import schema_of
from tests.attacks.mall import KEYS, tree_of
from tests.attacks.rewriting import rewritten

Row = Mapping[str, Any]
MICROSECOND = timedelta(microseconds=1)
STRANGER = Signer.log(KEYS.origin, bytes(range(7, 39)))
ENTRY_COLUMNS = [
    "seq",
    "kind",
    "order_id",
    "occurred_at",
    "booked_at",
    "available_at",
    "reverses",
    "account",
    "currency",
    "amount",
    "details",
    "salt",
    "balance_after",
    "balance_salt",
]
COLUMNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "audit_event": (
        ("id",),
        ("id", "merchant_id", "actor", "act", "subject", "after", "occurred_at", "booked_at", "outcome", "salt"),
    ),
    "log_leaf": (("leaf_index",), ("leaf_index", "merchant_id", "kind", "seq", "event_id", "leaf")),
    "log_tile": (("level", "tile_index"), ("level", "tile_index", "hashes", "root")),
    "log_checkpoint": (("size",), ("size", "root", "signature", "signed_at", "record")),
    "log_cosignature": (("size", "witness"), ("size", "witness", "signature", "cosigned_at")),
    "log_key": (("position",), ("verifier", "position")),
}
"""What tells rows of a table apart, and the columns that are attacked."""


@dataclass
class Target:
    """The untouched database, read once."""

    merchants: Mapping[str, UUID]
    entries: Mapping[str, Sequence[Row]]
    tables: Mapping[str, Sequence[Row]]
    slugs: Mapping[UUID, str] = field(init=False)

    def __post_init__(self) -> None:
        self.slugs = {merchant_id: slug for slug, merchant_id in self.merchants.items()}

    @property
    def leaves(self) -> Sequence[Row]:
        """Leaves, by place."""
        return self.tables["log_leaf"]

    def of(self, leaf: Row) -> str:
        """Whose leaf it is."""
        if leaf["seq"] is None:
            return f"audit event {leaf['event_id']}"
        return f"{self.slugs[leaf['merchant_id']]} entry {leaf['seq']}"

    def names(self, table: str, row: Row) -> set[str]:
        """What is named where a row is found to be wrong; any of these."""
        if table == "log_leaf":
            return {self.of(row)}
        if table == "audit_event":
            return {f"audit event {row['id']}"}
        if table == "log_tile":
            return {f"tile {row['level']}/{row['tile_index']}"}
        if table == "log_key":
            return {"key ", "head "}
        return {f"head {row['size']}", "newest head"}


async def target(connection: AsyncConnection, merchants: Mapping[str, UUID]) -> Target:
    """Read everything."""

    async def rows(table: str, order: str) -> list[Row]:
        found = await connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY {order}")  # noqa: S608
        return [dict(row) for row in found.mappings()]

    entries = {slug: await rows(f"{schema_of(each)}.ledger_entry", "seq") for slug, each in merchants.items()}
    tables = {name: await rows(f"platform.{name}", ", ".join(key)) for name, (key, _) in COLUMNS.items()}
    await connection.rollback()
    return Target(merchants, entries, tables)


@dataclass
class Attack:
    """One attack: what it does to the database, told by whom it hits; any of ``names`` must be named."""

    chance: Random
    target: Target
    connection: AsyncConnection
    names: set[str] = field(default_factory=set)

    async def execute(self, statement: str, *given: Any) -> int:
        """How many rows it hit."""
        values = tuple(Jsonb(each) if isinstance(each, dict) else each for each in given)
        return (await self.connection.exec_driver_sql(statement, values)).rowcount

    def an_entry(self) -> tuple[str, str, Row]:
        """A merchant, its ledger's table, and one of its entries."""
        slug = self.chance.choice(sorted(self.target.merchants))
        return (
            slug,
            f"{schema_of(self.target.merchants[slug])}.ledger_entry",
            self.chance.choice(self.target.entries[slug]),
        )

    def a_row(self) -> tuple[str, Row]:
        """A table of the log, and one of its rows."""
        table = self.chance.choice(sorted(COLUMNS))
        return table, self.chance.choice(self.target.tables[table])

    async def change(self, table: str, key: Row, column: str, value: Any) -> None:
        """Write one value into one row."""
        where = " AND ".join(f"{name} = %s" for name in key)
        await self.execute(f"UPDATE {table} SET {column} = %s WHERE {where}", value, *key.values())  # noqa: S608

    async def insert(self, table: str, row: Row) -> None:
        """Write a whole row."""
        columns, places = ", ".join(row), ", ".join(["%s"] * len(row))
        await self.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", *row.values())  # noqa: S608


def flipped(chance: Random, value: Any) -> Any:
    """A value with one bit changed."""
    if value is None:
        return None
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value ^ (1 << chance.randrange(31))
    if isinstance(value, bytes | memoryview):
        raw = bytearray(value)
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        return bytes(raw)
    if isinstance(value, UUID):
        return UUID(int=value.int ^ (1 << chance.randrange(128)))
    if isinstance(value, datetime):
        return value + chance.choice((1, -1)) * (1 << chance.randrange(52)) * MICROSECOND
    if isinstance(value, str):
        at = chance.randrange(len(value))
        other = chr(ord(value[at]) ^ 1 << chance.randrange(6))
        return value[:at] + (other if other.isprintable() or other == "\n" else "?") + value[at + 1 :]
    if isinstance(value, list):
        at = chance.randrange(len(value))
        return [*value[:at], flipped(chance, value[at]), *value[at + 1 :]]
    if isinstance(value, dict):
        name = chance.choice(sorted(value))
        return {**value, name: flipped(chance, value[name])}
    raise TypeError(type(value).__name__)


NOTHING: Mapping[str, Any] = {
    "order_id": UUID(int=5),
    "reverses": 1,
    "available_at": datetime.fromisoformat("2026-03-03T00:00:00+00:00"),
    "event_id": UUID(int=6),
    "seq": 1,
    "after": {"forged": True},
    "request_id": "forged",
}
"""What is written where nothing stood."""


def another(chance: Random, column: str, value: Any) -> Any:
    """Another value for a column."""
    if value is None:
        return NOTHING[column]
    return None if chance.random() < 0.05 else flipped(chance, value)


async def flip_entry(attack: Attack) -> None:
    """A bit of an entry."""
    slug, table, row = attack.an_entry()
    column = attack.chance.choice(ENTRY_COLUMNS)
    await attack.change(table, {"seq": row["seq"]}, column, another(attack.chance, column, row[column]))
    attack.names = {f"{slug} entry {row['seq']}"}


async def flip_log(attack: Attack) -> None:
    """A bit of a leaf, a tile, a head, a cosignature, a key, or an event of the audit trail."""
    table, row = attack.a_row()
    key, columns = COLUMNS[table]
    column = attack.chance.choice(columns)
    where = {name: row[name] for name in key}
    await attack.change(f"platform.{table}", where, column, another(attack.chance, column, row[column]))
    attack.names = attack.target.names(table, row)
    if table == "log_checkpoint" and column == "size":
        attack.names |= {"head "}


async def redate(attack: Attack) -> None:
    """An entry says another moment."""
    slug, table, row = attack.an_entry()
    column = attack.chance.choice([name for name in ("occurred_at", "booked_at", "available_at") if row[name]])
    moved = row[column] + attack.chance.choice((1, -1)) * timedelta(seconds=attack.chance.randrange(1, 10_000_000))
    await attack.change(table, {"seq": row["seq"]}, column, moved)
    attack.names = {f"{slug} entry {row['seq']}"}


async def delete_entry(attack: Attack) -> None:
    """An entry is gone; now and then its leaf as well."""
    slug, table, row = attack.an_entry()
    await attack.execute(f"DELETE FROM {table} WHERE seq = %s", row["seq"])  # noqa: S608
    if attack.chance.random() < 0.5:
        own = attack.target.merchants[slug], row["seq"]
        await attack.execute("DELETE FROM platform.log_leaf WHERE merchant_id = %s AND seq = %s", *own)
    attack.names = {f"{slug} entry {row['seq']}", f"entry {row['seq']}"}


async def delete_log(attack: Attack) -> None:
    """A leaf, a tile, a head, a cosignature of a confirmed head, or a key is gone."""
    table, row = attack.a_row()
    where = " AND ".join(f"{name} = %s" for name in COLUMNS[table][0])
    key = [row[name] for name in COLUMNS[table][0]]
    await attack.execute(f"DELETE FROM platform.{table} WHERE {where}", *key)  # noqa: S608
    attack.names = attack.target.names(table, row)
    if table == "log_checkpoint":
        attack.names |= {f"head {head['size']}" for head in attack.target.tables[table] if head["size"] > row["size"]}


async def swap_entries(attack: Attack) -> None:
    """Two entries of a merchant have each other's number."""
    slug, table, one = attack.an_entry()
    other = attack.chance.choice([row for row in attack.target.entries[slug] if row["seq"] != one["seq"]])
    pair = (one["seq"], other["seq"])
    await attack.execute(f"UPDATE {table} SET seq = %s - seq WHERE seq IN (%s, %s)", sum(pair), *pair)  # noqa: S608
    attack.names = {f"{slug} entry {seq}" for seq in pair}


async def swap_leaves(attack: Attack) -> None:
    """Two leaves have each other's place, or each other's hash."""
    one, other = attack.chance.sample(list(attack.target.leaves), 2)
    places = one["leaf_index"], other["leaf_index"]
    if attack.chance.random() < 0.5:
        statement = "UPDATE platform.log_leaf SET leaf_index = %s - leaf_index WHERE leaf_index IN (%s, %s)"
        await attack.execute(statement, sum(places), *places)
    else:
        for place, leaf in zip(places, (other["leaf"], one["leaf"]), strict=True):
            await attack.change("platform.log_leaf", {"leaf_index": place}, "leaf", leaf)
    attack.names = {attack.target.of(one), attack.target.of(other)}


async def insert_entry(attack: Attack) -> None:
    """An entry more: twice, behind the others, or in between; now and then with a leaf that fits it."""
    slug, table, row = attack.an_entry()
    entries = attack.target.entries[slug]
    seq = attack.chance.choice([row["seq"], entries[-1]["seq"] + 1, attack.chance.randrange(1, entries[-1]["seq"])])
    await attack.insert(table, {**row, "seq": seq})
    if attack.chance.random() < 0.3:
        leaf = {"merchant_id": attack.target.merchants[slug], "kind": "entry", "seq": seq, "leaf": bytes(32)}
        await attack.insert("platform.log_leaf", {"leaf_index": len(attack.target.leaves), **leaf})
    attack.names = {f"{slug} entry {seq}"}


async def insert_leaf(attack: Attack) -> None:
    """A leaf more: behind the others, or in between, all that follow moved on."""
    row = attack.chance.choice(attack.target.leaves)
    place = attack.chance.choice([len(attack.target.leaves), row["leaf_index"]])
    await attack.execute("UPDATE platform.log_leaf SET leaf_index = leaf_index + 1 WHERE leaf_index >= %s", place)
    await attack.insert("platform.log_leaf", {**row, "leaf_index": place})
    attack.names = {attack.target.of(row)}


async def insert_log(attack: Attack) -> None:
    """A tile, a head, a cosignature or a key more."""
    table = attack.chance.choice(["log_tile", "log_checkpoint", "log_cosignature", "log_key"])
    row = dict(attack.chance.choice(attack.target.tables[table]))
    key = attack.chance.choice([name for name in COLUMNS[table][0] if isinstance(row[name], int)])
    row[key] += attack.chance.randrange(1, 1_000)
    await attack.insert(f"platform.{table}", row)
    attack.names = attack.target.names(table, row)


async def cut_tail(attack: Attack) -> None:
    """The last leaves are gone, with their tiles and heads; their entries as well; even the counters set back."""
    leaves = attack.target.leaves
    size = attack.chance.randrange(1, len(leaves))
    depth = attack.chance.randrange(4)
    await attack.execute("DELETE FROM platform.log_leaf WHERE leaf_index >= %s", size)
    if depth > 0:
        await _cut_tree(attack, size)
    attack.names |= {attack.target.of(leaf) for leaf in leaves[size:]}
    for slug, merchant_id in attack.target.merchants.items():
        kept = [leaf["seq"] for leaf in leaves[:size] if leaf["merchant_id"] == merchant_id and leaf["seq"] is not None]
        last = max(kept, default=0)
        if depth > 1:
            await attack.execute(f"DELETE FROM {schema_of(merchant_id)}.ledger_entry WHERE seq > %s", last)  # noqa: S608
        if depth > 2:
            statement = f"UPDATE {schema_of(merchant_id)}.counter SET value = %s WHERE name = 'entry'"  # noqa: S608
            await attack.execute(statement, last)
        attack.names |= {f"{slug} entry {row['seq']}" for row in attack.target.entries[slug] if row["seq"] > last}


async def _cut_tree(attack: Attack, size: int) -> None:
    """Tiles and heads beyond a size; the log's thief signs what is left."""
    await attack.execute("DELETE FROM platform.log_tile WHERE tile_index >= %s", size // WIDTH)
    for table in ("log_checkpoint", "log_cosignature", "log_confirmed"):
        await attack.execute(f"DELETE FROM platform.{table} WHERE size > %s", size)  # noqa: S608
    if size not in [head["size"] for head in attack.target.tables["log_checkpoint"]]:
        root = tree_of([leaf["leaf"] for leaf in attack.target.leaves[:size]]).root
        heads = attack.target.tables["log_checkpoint"]
        before = max([head["size"] for head in heads if head["size"] < size], default=0)
        head = _signed_by_thief(Checkpoint(KEYS.origin, size, root), before, heads[0]["signed_at"])
        await attack.insert("platform.log_checkpoint", head)


def _signed_by_thief(checkpoint: Checkpoint, before: int, at: datetime) -> Row:
    """A head as the log would have signed it: its keys were stolen."""
    return {
        "size": checkpoint.size,
        "root": checkpoint.root,
        "signature": "".join(each.line for each in KEYS.sign(checkpoint.text)),
        "signed_at": at,
        "record": KEYS.signers[-1].sign(head_record(checkpoint, before, at)).signature,
    }


async def rewrite(attack: Attack) -> None:
    """A merchant's history from some entry on, with amounts, balances, salts, leaves, tiles and heads that fit; heads
    signed by nobody, by a stranger whose key is put beside the log's, or with the log's stolen key."""
    slug, table, row = attack.an_entry()
    first = attack.chance.choice([1, row["seq"]])
    leaves = [leaf["leaf"] for leaf in attack.target.leaves]
    own = [leaf for leaf in attack.target.leaves if leaf["merchant_id"] == attack.target.merchants[slug]]
    places = {leaf["seq"]: leaf for leaf in own if leaf["seq"] is not None}
    factor = attack.chance.randrange(2, 9)
    for new, leaf in rewritten(attack.target.merchants[slug], attack.target.entries[slug], first, factor):
        values = [new[name] for name in ("amount", "balance_after", "salt", "seq")]
        await attack.execute(
            f"UPDATE {table} SET amount = %s, balance_after = %s, salt = %s WHERE seq = %s",  # noqa: S608
            *values,
        )
        place = places[new["seq"]]["leaf_index"]
        leaves[place] = leaf
        await attack.change("platform.log_leaf", {"leaf_index": place}, "leaf", leaf)
        attack.names.add(f"{slug} entry {new['seq']}")
    await _sign_again(attack, leaves, attack.chance.choice(["nobody", "stranger", "thief"]))


async def _sign_again(attack: Attack, leaves: list[bytes], by: str) -> None:
    tree, tiles, roots = tree_of([]), [], {}
    for leaf in leaves:
        tiles += tree.append(leaf_hash(leaf))
        roots[tree.size] = tree.root
    for tile in tiles:
        await attack.execute(
            "UPDATE platform.log_tile SET hashes = %s, root = %s WHERE level = %s AND tile_index = %s",
            *(tile.hashes, tile.root, tile.level, tile.index),
        )
    if by == "stranger":
        await attack.execute("INSERT INTO platform.log_key VALUES (%s, 1, now())", str(STRANGER.verifier))
    before = 0
    for head in attack.target.tables["log_checkpoint"]:
        checkpoint = Checkpoint(KEYS.origin, head["size"], roots[head["size"]])
        forged: dict[str, Any] = {
            **_signed_by_thief(checkpoint, before, head["signed_at"]),
            "signature": head["signature"],
        }
        if by == "stranger":
            forged["signature"] = STRANGER.sign(checkpoint.text).line
        if by == "thief":
            forged = dict(_signed_by_thief(checkpoint, before, head["signed_at"]))
        await attack.execute(
            "UPDATE platform.log_checkpoint SET root = %s, signature = %s, record = %s WHERE size = %s",
            *(forged["root"], forged["signature"], forged["record"], head["size"]),
        )
        before = head["size"]
    if attack.chance.random() < 0.5:
        await attack.execute("DELETE FROM platform.log_cosignature")
        await attack.execute("DELETE FROM platform.log_confirmed")


KINDS: Mapping[str, tuple[Callable[[Attack], Awaitable[None]], int]] = {
    "bit of an entry flipped": (flip_entry, 24),
    "bit of leaf, tile, head, cosignature, key or event flipped": (flip_log, 20),
    "entry dated anew": (redate, 8),
    "entry deleted": (delete_entry, 8),
    "leaf, tile, head, cosignature, key or event deleted": (delete_log, 6),
    "two entries swapped": (swap_entries, 6),
    "two leaves swapped": (swap_leaves, 6),
    "entry inserted": (insert_entry, 6),
    "leaf inserted": (insert_leaf, 4),
    "tile, head, cosignature or key inserted": (insert_log, 4),
    "tail cut off": (cut_tail, 4),
    "history rewritten with hashes that fit": (rewrite, 4),
}
"""Attacks, and how often each is drawn."""
