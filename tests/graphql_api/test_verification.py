"""Verifications through the public door: auditors read what they found, others do not."""

from dataclasses import replace
from datetime import timedelta

import psycopg

from merchantry.domain.permission import PlatformRole
from merchantry.jobs.scheduled_verification import verify
from merchantry.jobs.sequencing import sequence_all
from tenancy.schemas import schema_of
from tests.builders import a_merchant
from tests.graphql_api.mall import Mall
from tests.jobs.witnesses import KEYS

VERIFICATIONS = """
query ($after: String) {
  platform {
    verifications(first: 1, after: $after) {
      nodes { status merchantsDone broken logSize durationSeconds caseId findings { merchant law subject } }
      pageInfo { endCursor hasNextPage }
    }
  }
}
"""


async def test_auditors_page_through_verifications_and_reviewers_do_not(mall: Mall) -> None:
    for name, role in (("ada", PlatformRole.AUDITOR), ("rev", PlatformRole.REVIEWER)):
        await mall.appoint(name, role)
    kites = await a_merchant(mall.database, "kites")
    await sequence_all(mall.database, KEYS, mall.clock())
    tools = replace(mall.tools, log_keys=KEYS)
    await verify(tools)
    with psycopg.connect(mall.database.logins.owner) as connection:
        connection.execute(f"UPDATE {schema_of(kites.id)}.counter SET value = 7 WHERE name = 'entry'".encode())  # noqa: S608
    later = mall.clock() + timedelta(days=1)
    await verify(replace(tools, clock=lambda: later))
    newest = (await mall.ask(VERIFICATIONS, who="ada")).data["platform"]["verifications"]
    [broken] = newest["nodes"]
    assert (broken["status"], broken["merchantsDone"], broken["durationSeconds"]) == ("BROKEN", 1, 0)
    assert broken["caseId"]
    assert {each["merchant"] for each in broken["findings"]} == {"kites"}
    assert broken["broken"] == len(broken["findings"])
    after = {"after": newest["pageInfo"]["endCursor"]}
    [clean] = (await mall.ask(VERIFICATIONS, after, who="ada")).data["platform"]["verifications"]["nodes"]
    assert (clean["status"], clean["broken"], clean["findings"], clean["caseId"]) == ("CLEAN", 0, [], None)
    refused = await mall.ask(VERIFICATIONS, who="rev")
    assert refused.codes == ["NOT_PERMITTED"]
