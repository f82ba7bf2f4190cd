"""Where the demo's merchants are paid: invented accounts with right check digits, wallets that behave as they say."""

from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import uuid5

from schwifty import IBAN

from merchantry.demo.mall import STALLS, Stall, owner_of
from merchantry.demo.story import DAY
from merchantry.demo.world import World, act
from merchantry.domain.payee import PayeeKind
from merchantry.gateways.bank_file import BankFiles
from merchantry.gateways.iso20022.pain001 import Debtor
from merchantry.gateways.payout import PayoutGateway
from merchantry.gateways.wallet import WalletProvider
from merchantry.services import payee, payee_review
from merchantry.services.payee_details import NewAccount
from merchantry.services.vault import Vault
from tenancy.database import Transaction

WALLET_TOKEN: Final = "simulator"
VERIFIER: Final = "finance@mall.example"
WALLETS: Final = {
    ("casa-jequi", "BRL"): "ok-casa-jequi",
    ("trama-viva", "BRL"): "delay-trama-viva",
    ("horta-farta", "BRL"): "drop-horta-farta",
    ("onda-curta", "BRL"): "return-onda-curta",
    ("letra-miuda", "BRL"): "fail-letra-miuda",
    ("volt-sabia", "USD"): "ok-volt-sabia",
    ("grao-sereno", "USD"): "error_after-grao-sereno",
}
"""How the simulated provider behaves is in the ids; all other accounts are at a bank."""


def iban(number: int) -> str:
    """An IBAN of Brazil's form with right check digits, of no account: no bank has the number of its first digits."""
    return str(IBAN.from_bban("BR", f"00000000{1:05}{number:010}C1"))


def providers(directory: Path, wallet_url: str) -> dict[str, PayoutGateway]:
    """A bank that takes files in a directory, and the simulated provider of wallets at an address."""
    debtor = Debtor("Mall Payments", iban(1), None, None)
    wallet = WalletProvider(wallet_url, WALLET_TOKEN, limits={})
    return {"bank": BankFiles(directory, debtor), "wallet": wallet}


async def add_accounts(tx: Transaction, vault: Vault, world: World, stall: Stall, at: datetime) -> None:
    """A merchant's accounts, added by its owner and verified by the platform a day later."""
    merchant_id = world.merchants[stall.slug]
    by_owner = act(f"staff:{world.accounts[owner_of(stall.slug)]}", at)
    by_finance = act(f"platform:{world.accounts[VERIFIER]}", at + DAY)
    for currency in ("BRL", "USD") if stall.sells_in_usd else ("BRL",):
        account_id = uuid5(merchant_id, f"account in {currency}")
        await payee_review.add_account(tx, merchant_id, vault, _account(stall, currency), account_id, by_owner)
        async with tx.as_merchant(merchant_id) as session:
            await payee.verify_account(session, account_id, by_finance)
    await payee_review.end_cases(tx, merchant_id, by_finance)


def _account(stall: Stall, currency: str) -> NewAccount:
    holder = f"{stall.name} Comercio"
    if wallet_id := WALLETS.get((stall.slug, currency)):
        return NewAccount(kind=PayeeKind.WALLET, currency=currency, holder=holder, wallet_id=wallet_id)
    number = 100 + STALLS.index(stall)
    return NewAccount(kind=PayeeKind.BANK, currency=currency, holder=holder, iban=iban(number))
