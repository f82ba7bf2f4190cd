"""The language of an answer's texts: what the viewer chose, else what the request accepts, else the default."""

from graphql_api.context import Context
from merchantry.languages.language import Language, chosen
from merchantry.services import account_setting
from tenancy.database import PlatformSession


async def language_of(context: Context, session: PlatformSession | None = None) -> Language:
    """What whoever asks reads; found once for a request, in a transaction of its own where none is given."""
    if context.language is None:
        if context.caller.principal.account_id is None:
            context.language = chosen(None, context.accepted_languages)
        elif session is None:
            async with context.database.read("viewer") as tx, tx.as_platform() as opened:
                context.language = chosen(await _own(context, opened), context.accepted_languages)
        else:
            context.language = chosen(await _own(context, session), context.accepted_languages)
    return context.language


async def _own(context: Context, session: PlatformSession) -> Language | None:
    account_id = context.caller.principal.account_id
    return (await account_setting.languages(session, [account_id])).get(account_id) if account_id else None
