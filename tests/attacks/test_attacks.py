"""Whatever a superuser does to the log or to an entry in it is found, and named; an untouched database is clean.

``ATTACKS=10000 SEED=1`` (``make attacks``) makes so many; the suite takes a sample.
"""

import os
from collections import Counter
from collections.abc import AsyncIterator
from random import Random

import pytest

from tenancy.database import Database
from tenancy.logins import Logins
from tests.attacks.attacks import KINDS, Attack, target
from tests.attacks.mall import SLUGS, Attacked, a_cosigned_mall

ATTACKS = int(os.environ.get("ATTACKS", "200"))
SEED = int(os.environ.get("SEED", "1"))

needs_superuser = pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="a server of one's own has a superuser")


@pytest.fixture
async def attacked(database: Database, logins: Logins) -> AsyncIterator[Attacked]:
    """A small mall, cosigned, open to a superuser."""
    mall = await a_cosigned_mall(database)
    async with mall.opened():
        yield mall
    await mall.close()


@needs_superuser
async def test_every_attack_is_found_and_named(attacked: Attacked) -> None:
    chance = Random(SEED)
    whole = await target(attacked.connection, attacked.merchants)
    kinds, weights = list(KINDS), [weight for _, weight in KINDS.values()]
    tally, missed = Counter[tuple[str, str]](), list[str]()
    for number in range(ATTACKS):
        [kind] = chance.choices(kinds, weights)
        async with attacked.attack() as connection:
            attack = Attack(chance, whole, connection)
            await KINDS[kind][0](attack)
            touched = [slug for slug in SLUGS if any(name.startswith(slug) for name in attack.names)]
            found = await attacked.look(touched)
        is_named = any(name in each for name in attack.names for each in found.names)
        tally[kind, found.by or "nobody"] += 1
        if found.by is None or not is_named:
            missed.append(f"{number} {kind}: {sorted(attack.names)[:4]} not in {found.names[:6]}")
        if number % 100 == 0:
            assert (await attacked.look()).by is None
            await attacked.connection.rollback()
    for kind in kinds:
        counts = {by: tally[kind, by] for by in ("verifier", "witness", "nobody")}
        print(f"{kind:55} {sum(counts.values()):6} {counts}")  # noqa: T201
    assert not missed, f"{len(missed)} of {ATTACKS}: " + "\n".join(missed[:20])


@needs_superuser
async def test_an_untouched_database_is_clean(attacked: Attacked) -> None:
    found = await attacked.look()
    assert (found.by, found.names) == (None, ())
