"""Whoever is killed wherever: nothing acknowledged is lost, nothing is paid twice, and no law is broken.

``KILL_EVERY=1 KILL_TIMES=200`` stops at every place and at 200 random moments (``make kill``); the suite takes samples.
The worker is killed in a child of the driver's, the API as the process that listens to HTTP.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from merchantry.domain.payee import PayeeKind
from merchantry.domain.permission import PlatformRole
from merchantry.services import payee, staff
from merchantry.services.payee_details import NewAccount
from merchantry.services.vault import Vault
from merchantry.vault.keys import MasterKeys
from merchantry.wallet_simulator.running import running
from tenancy.database import Database
from tenancy.directory import account_of
from tenancy.tokens import DevelopmentIssuer
from tests.builders import NOON, a_merchant, an_act
from tests.services.stall import a_stall

EVERY = int(os.environ.get("KILL_EVERY", "9"))
TIMES = int(os.environ.get("KILL_TIMES", "10"))
TOKEN = "secret"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def wallet(tmp_path: Path) -> Iterator[str]:
    with running(tmp_path / "books.sqlite", token=TOKEN) as url:
        yield url


async def a_setting(database: Database, wallet_url: str, directory: Path) -> dict[str, str]:
    """A merchant in UTC, settled with weekly, paid into a wallet."""
    merchant = await a_merchant(database, time_zone="UTC")
    ring = MasterKeys.generate("1")
    vault = Vault(lambda: ring)
    new = NewAccount(
        kind=PayeeKind.WALLET,
        currency="BRL",
        holder="Shop Ltda",
        iban=None,
        account_number=None,
        bic=None,
        country=None,
        wallet_id="ok-1",
    )
    account_id = uuid4()
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        await payee.add_account(session, vault, new, account_id, an_act("staff:owner", NOON))
        await payee.verify_account(session, account_id, an_act("platform:finance", NOON))
    return {
        "owner_url": database.logins.owner,
        "merchant_id": str(merchant.id),
        "slug": merchant.slug,
        "master_keys": ring.to_text(),
        "wallet_url": wallet_url,
        "wallet_token": TOKEN,
        "acknowledged": str(directory / "acknowledged"),
    }


async def an_api(database: Database, setting: dict[str, str], directory: Path) -> dict[str, Any]:
    """Somebody of the platform's finance who asks the API, and a merchant with orders to refund."""
    stall = await a_stall(database, 1_000)
    issuer = DevelopmentIssuer.load_or_create(directory)
    async with database.write("test") as tx, tx.as_platform() as session:
        account_id = await account_of(session, DevelopmentIssuer.ISSUER, "finance", None, at=NOON)
        await staff.grant_platform_role(session, account_id, PlatformRole.FINANCE, an_act())
    return {
        "place": {
            "owner_url": setting["owner_url"],
            "data_dir": str(directory),
            "master_keys": setting["master_keys"],
            "token": issuer.issue("finance", None, 86_400),
        },
        "seller": {
            "merchant_id": str(stall.merchant.id),
            "slug": stall.merchant.slug,
            "product_id": str(stall.product.id),
        },
    }


def driven(given: dict[str, Any], program: str = "driver") -> dict[str, Any]:
    """What the driver came to."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.kill.{program}"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(given.get("action", program), {name: value for name, value in result.items() if name != "wrong"})  # noqa: T201
    return result


@pytest.mark.parametrize("action", ["kill", "cut_off", "swallow_answer"])
async def test_stopped_at_a_place_everything_is_done_once(
    database: Database, wallet: str, tmp_path: Path, action: str
) -> None:
    setting = await a_setting(database, wallet, tmp_path)
    result = driven({"setting": setting, "action": action, "stride": EVERY, "first_week": 1})
    assert result["wrong"] == []
    assert result["points"] > 50


async def test_killed_at_random_moments_everything_is_done_once(
    database: Database, wallet: str, tmp_path: Path
) -> None:
    setting = await a_setting(database, wallet, tmp_path)
    result = driven({"setting": setting, "action": "random", "times": TIMES, "seed": 7, "first_week": 1})
    assert result["wrong"] == []


async def test_the_api_killed_over_a_mutation_and_asked_again_does_it_once(
    database: Database, wallet: str, tmp_path: Path
) -> None:
    setting = await a_setting(database, wallet, tmp_path)
    api = await an_api(database, setting, tmp_path)
    whole = (
        {"first_point": 1, "stride": 1, "times": TIMES} if EVERY == 1 else {"first_point": 9, "stride": 60, "times": 1}
    )
    result = driven({"setting": setting, **api, **whole, "seed": 7}, "api")
    assert result["wrong"] == []
    assert min(result["points"].values()) > 8
