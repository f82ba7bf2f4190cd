"""The demo, from nothing: killed while it builds, started again, asked, ended, killed, started again."""

import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx
import psycopg
import pytest

from merchantry.services.verification import merchants_to_verify, verify_books
from tenancy import embedded, embedded_watchdog
from tenancy.bootstrap import create_owner
from tenancy.database import Database
from tenancy.logins import derive
from tenancy.schemas import schema_of
from tests.cli.running import COMMAND, Running, Shell, running, until

READY = "Ctrl-C ends it."
STATUSES = {"awaiting_payment", "to_ship", "partially_shipped", "shipped", "delivered", "completed", "cancelled"}


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory to start the demo in, in memory where there is one."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    place = Path(mkdtemp(prefix="merchantry-demo-tests-", dir=memory))
    yield place
    assert until(lambda: is_down(place), 20)
    shutil.rmtree(place)


def home_of(place: Path) -> Path:
    return place / ".merchantry"


def is_down(place: Path) -> bool:
    return not embedded_watchdog.is_locked(home_of(place) / "server.lock")


def marks(place: Path) -> int:
    """How many steps of building are done."""
    server = embedded.start(home_of(place))
    try:
        with psycopg.connect(server.url()) as connection:
            row = connection.execute("SELECT count(*) FROM platform.imported").fetchone()
            return int(row[0]) if row else 0
    except psycopg.Error:  # not made yet
        return 0


def answers(server: Running) -> list[Any]:
    """What the commands that the demo prints are answered."""
    found = []
    for line in server.output.read_text().splitlines():
        if line.startswith("curl ") and "/graphql" in line:
            _, _, address, *options = shlex.split(line)
            pairs = list(zip(options[::2], options[1::2], strict=True))
            headers = dict(value.split(": ", 1) for name, value in pairs if name == "-H")
            [body] = [value for name, value in pairs if name == "-d"]
            found.append(httpx.post(address, headers=headers, content=body).json()["data"])
    return found


def paid(server: Running) -> bool:
    """Whether the main merchant has statements, and all of its payouts are paid."""
    statements, payouts = (each["merchant"] for each in answers(server)[3:5])
    nodes = payouts["payouts"]["nodes"]
    return bool(statements["statements"]["nodes"] and nodes) and {node["status"] for node in nodes} == {"PAID"}


def is_confirmed(server: Running) -> bool:
    """Whether the witness beside the demonstration has confirmed the head of the public log."""
    checkpoint = answers(server)[5]["log"]["checkpoint"]
    return bool(checkpoint and checkpoint["confirmed"] and checkpoint["witnesses"])


def reconciled(server: Running, place: Path) -> str:
    """What the printed command makes of the provider's statement."""
    [line] = [line for line in server.output.read_text().splitlines() if "merchantry reconcile" in line]
    _, _, address, _, header, _, file, _, _, *words = shlex.split(line)
    name, value = header.split(": ")
    Path(file).write_bytes(httpx.get(address, headers={name: value}).content)
    return subprocess.run([COMMAND, *words], cwd=place, capture_output=True, text=True, check=True).stdout


async def test_the_demo_survives_being_killed_and_ends_with_its_database(place: Path) -> None:
    """One test, so that the mall is built once."""
    building_that_was_killed_goes_on_at_the_next_start(place)
    what_was_killed_recovers_and_is_ready_within_seconds(place)
    await the_mall_is_lively_and_its_books_are_right(place)


def building_that_was_killed_goes_on_at_the_next_start(place: Path) -> None:
    for steps, number, code in ((5, signal.SIGTERM, 143), (40, signal.SIGKILL, -9)):
        with running(place, "demo", "--port", "0") as server:
            assert until(lambda: (home_of(place) / "data" / "PG_VERSION").exists(), 60)
            assert until(lambda steps=steps: marks(place) > steps, 90, every=0.25)  # type: ignore[misc]
            assert server.ends_by(number) == code
        embedded.stop(home_of(place))
        assert until(lambda: is_down(place), 20)
    with running(place, "demo", "--port", "0") as server:
        server.printed(READY, 150)
        listings, orders, report, *_ = answers(server)
        assert len(listings["listings"]["nodes"]) == 3
        assert len(orders["merchant"]["orders"]["nodes"]) == 3
        assert len(report["platform"]["commissionReport"]["rows"]) >= 12
        assert until(lambda: paid(server), 60, every=0.5), answers(server)[3:]
        assert server.ends_by(signal.SIGTERM) == 0
    assert is_down(place)


def what_was_killed_recovers_and_is_ready_within_seconds(place: Path) -> None:
    with running(place, "demo", "--port", "0") as server:
        server.printed(READY, 30)
        server.process.kill()
    with running(place, "demo", "--port", "0") as server:
        server.printed(READY, 30)
        assert len(answers(server)) == 6
        assert until(lambda: is_confirmed(server), 20, every=0.5), answers(server)[5]
        assert "0 without a match; 0 differences" in reconciled(server, place)
        assert server.ends_by(signal.SIGINT) == 0
    assert is_down(place)


async def the_mall_is_lively_and_its_books_are_right(place: Path) -> None:
    server = embedded.start(home_of(place))
    try:
        logins = derive(create_owner(server))
        with psycopg.connect(logins.owner) as connection:
            merchants = [row[0] for row in connection.execute("SELECT id FROM platform.merchant")]
            listed = connection.execute("SELECT count(*) FROM platform.listing").fetchone()
            union = " UNION ALL ".join(f"SELECT status, currency FROM {schema_of(each)}.orders" for each in merchants)  # noqa: S608
            orders = connection.execute(union.encode()).fetchall()
            uses = connection.execute("SELECT code FROM platform.coupon WHERE uses > 0 ORDER BY code").fetchall()
            [main] = connection.execute("SELECT id FROM platform.merchant WHERE slug = 'casa-jequi'").fetchall()
            lowered = "SELECT bool_or(tax_minor > 0), bool_or(discount_merchant_minor > 0) FROM "
            shown = connection.execute(f"{lowered} {schema_of(main[0])}.order_line".encode()).fetchone()
            payments = connection.execute("SELECT DISTINCT status FROM platform.payment").fetchall()
            checkouts = connection.execute("SELECT DISTINCT status FROM platform.checkout").fetchall()
        assert (len(merchants), listed) == (12, (60,))
        assert len(orders) >= 290
        assert ([row[0] for row in uses], shown) == (["BEM-VINDO", "JEQUI10"], (True, True))
        assert {row[0] for row in orders} == STATUSES
        assert {row[1] for row in orders} == {"BRL", "USD"}
        assert {row[0] for row in payments} == {"captured", "failed", "action_required"}
        assert {row[0] for row in checkouts} == {"awaiting_payment", "paid", "cancelled", "expired"}
        database = Database(logins, pool_size=2)
        found = [each async for each in verify_books(database, await merchants_to_verify(database))]
        await database.close()
        assert [each for each in found if each.broken] == []
    finally:
        embedded.stop(home_of(place))


def test_a_database_with_other_merchants_is_left_alone(shell: Shell, tmp_path: Path) -> None:
    words = ("--legal-name", "K", "--display-name", "K", "--category", "c", "--time-zone", "UTC", "--currency", "BRL")
    shell.done("merchant", "create", "--slug", "kites", *words)
    with running(tmp_path, "demo", "--port", "0", "--database-url", shell.logins.owner) as refused:
        assert refused.process.wait(30) == 2
    assert "give the demo an empty one" in refused.errors.read_text()
