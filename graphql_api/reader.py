"""The language of an answer's texts: what the viewer chose, else what the request accepts, else the default.

Texts that merchants and the mall wrote fall back to how they were first written, which nobody says the language of.
"""

from uuid import UUID

from graphql_api.context import Context
from merchantry.languages.language import DEFAULT, Language, preferred
from merchantry.services import account_setting
from tenancy.database import PlatformSession


async def language_of(context: Context, session: PlatformSession | None = None) -> Language:
    """What whoever asks is told things in; found once for a request, in a transaction of its own if need be."""
    return await _preferred(context, session) or DEFAULT


async def language_of_texts(context: Context, asked: Language | None = None) -> Language | None:
    """What goods are described in: what is asked for, else what whoever asks prefers; None as they were first written.

    Reads in a transaction of its own, and only for somebody with an account.
    """
    return Language(asked) if asked else await _preferred(context, None)


async def _preferred(context: Context, session: PlatformSession | None) -> Language | None:
    if not context.knows_language:
        account_id = context.caller.principal.account_id
        if account_id is None:
            own = None
        elif session is None:
            async with context.database.read("viewer") as tx, tx.as_platform() as opened:
                own = await _own(opened, account_id)
        else:
            own = await _own(session, account_id)
        context.language, context.knows_language = preferred(own, context.accepted_languages), True
    return context.language


async def _own(session: PlatformSession, account_id: UUID) -> Language | None:
    return (await account_setting.languages(session, [account_id])).get(account_id)
