"""Reports as files show nobody else's rows: every kind, and what was produced, asked for by everybody else."""

from urllib.parse import quote

import pytest

from merchantry.domain.permission import MerchantRole, Permission, PlatformRole, may
from merchantry.domain.report_kind import ReportKind
from tests.isolation.world import Asker, Reply, World, elsewhere

pytestmark = pytest.mark.asyncio(loop_scope="session")

YEAR = "from=2026-01-01&to=2027-01-01"
SECRETS = ("victim", "8394761", "83947")
"""In every row of the victim's: its slug, or a price of its goods."""

FILES = "{ merchant { reports { nodes { files { url } } } } }"


async def get(world: World, asker: Asker, path: str) -> Reply:
    headers = {}
    if asker.who:
        headers["authorization"] = f"Bearer {world.mall.token(asker.who)}"
    if asker.header:
        headers["x-merchant"] = asker.header
    if asker.host:
        headers["host"] = asker.host
    answer = await world.mall.http.get(path, headers=headers)
    return Reply(answer.status_code, answer.text, {})


def strangers(world: World) -> list[Asker]:
    """All but those who may read everybody's reports."""
    return [asker for asker in world.strangers() if asker.who != world.platform_roles[PlatformRole.ANALYST]]


@pytest.mark.parametrize("kind", ReportKind)
async def test_a_report_shows_a_merchant_its_own_rows_and_no_others(world: World, kind: ReportKind) -> None:
    path = f"/reports/{kind}.csv?{YEAR}"
    own = await get(world, world.owner_of(world.victim), path)
    assert own.status == 200, own.text
    rows = own.text.splitlines()[1:]
    assert rows or kind in (ReportKind.SETTLEMENT, ReportKind.TAXES)
    assert all(row.startswith("victim,") for row in rows)
    for asker in strangers(world):
        reply = await get(world, asker, path)
        assert reply.status in (200, 400, 401), (asker, reply.text)
        assert not any(secret in reply.text for secret in SECRETS), asker
    for stopped, unknown in zip(world.stopped("victim"), world.stopped("no-such"), strict=True):
        foreign, missing = await get(world, stopped, path), await get(world, unknown, path)
        assert (foreign.status, foreign.text) == (403, missing.text), stopped
    named = await get(world, world.owner_of(world.rival), f"{path}&merchants=victim")
    assert named.status == 400
    assert "8394761" not in named.text


async def test_a_produced_file_is_downloaded_by_whose_it_is_and_by_nobody_else(world: World) -> None:
    shown = await world.send(world.owner_of(world.victim), FILES)
    (url,) = [each["url"] for node in shown.body["data"]["merchant"]["reports"]["nodes"] for each in node["files"]]
    own = await get(world, world.owner_of(world.victim), url)
    assert own.status == 200
    assert "victim-SKU-1" in own.text
    missing = url.replace(url.rpartition("/")[2], elsewhere(url.rpartition("/")[2]))
    everybody = [*strangers(world), Asker("admin", world.platform_roles[PlatformRole.ADMIN])]
    for asker in everybody:
        reply, unknown = await get(world, asker, url), await get(world, asker, missing)
        assert reply.status in (400, 401, 404), (asker, reply.text)
        assert (reply.status, reply.text) == (unknown.status, unknown.text), asker
    for name in ("..", "%2e%2e%2fmaster-keys", quote("../x", safe=""), "AAAA"):
        assert (await get(world, world.owner_of(world.victim), f"/reports/files/{name}")).status == 404


async def test_the_roles_of_the_matrix_get_reports(world: World) -> None:
    path = f"/reports/payouts.csv?{YEAR}"
    merchant_roles: dict[MerchantRole, str] = world.roles
    for role, person in merchant_roles.items():
        reply = await get(world, Asker(role, person, "victim"), path)
        assert reply.status == (200 if may({role}, Permission.REPORT_READ) else 403), role
    for platform_role, person in world.platform_roles.items():
        reply = await get(world, Asker(platform_role, person), path)
        allowed = may({platform_role}, Permission.PLATFORM_REPORT_READ)
        assert reply.status == (200 if allowed else 403), platform_role
        assert ("victim," in reply.text) is allowed
