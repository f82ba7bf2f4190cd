"""Where the viewer is written to."""

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.enums import MailAddressStatus
from graphql_api.problems import mutation
from merchantry.domain.contact import check_email
from merchantry.domain.errors import InvalidInput
from merchantry.mail.letters import recipient_of
from merchantry.services import mail_address
from merchantry.services.mail_address import Address
from tenancy.database import Transaction


@strawberry.type(description="Where somebody is written to.")
class MailAddress:
    address: str
    status: MailAddressStatus

    @staticmethod
    def of(found: Address | None) -> "MailAddress | None":
        """The address as it is known."""
        return MailAddress(address=found.email, status=MailAddressStatus(found.status)) if found else None


@strawberry.input(description="Where the viewer wants to be written to.")
class ViewerEmailSetInput:
    email: str | None = strawberry.field(
        default=None, description="Null: at no address that the viewer gave; staff then at the one they sign in with."
    )


@strawberry.type(description="Nothing is sent there before it is confirmed, by a link in the one mail that is.")
class ViewerEmailChanged:
    email: MailAddress | None


async def of_viewer(info: Info) -> MailAddress | None:
    """Where the viewer is written to; None for machines and guests, who have no account."""
    principal = info.context.caller.principal
    if principal.account_id is None or principal.guest:
        return None
    async with info.context.database.read("viewer") as tx, tx.as_platform() as session:
        return MailAddress.of(await mail_address.find(session, info.context.vault, principal.account_id))


@strawberry.type
class EmailMutations:
    @mutation(problems=[InvalidInput])
    async def viewer_email_set(self, info: Info, input: ViewerEmailSetInput) -> ViewerEmailChanged:
        """Give, change or take back the address at which the viewer is told of news."""
        buyer, context, path = access.of_account(info.context), info.context, ("input", "email")
        email = None if input.email is None else check_email(input.email, path)
        if email is not None:
            if not context.sends_mail:
                raise InvalidInput(reason="This mall sends no e-mail.", path=path)
            try:
                recipient_of(email)
            except ValueError:
                raise InvalidInput(reason="Give one e-mail address, such as name@example.com.", path=path) from None

        async def work(tx: Transaction) -> Address | None:
            async with tx.as_platform() as session:
                await mail_address.give(session, context.vault, buyer.account_id, email, buyer.act)
                return await mail_address.find(session, context.vault, buyer.account_id)

        return ViewerEmailChanged(email=MailAddress.of(await context.database.run(buyer.act.actor, work)))
