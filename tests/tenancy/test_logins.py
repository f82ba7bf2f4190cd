"""Three logins from one URL."""

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from tenancy import bootstrap
from tenancy.logins import Logins, derive


def test_the_other_logins_have_passwords_of_their_own_made_from_the_owners() -> None:
    logins = derive("postgresql://boss:secret@db.test:6432/mall?sslmode=require")
    app, analyst = make_url(logins.app), make_url(logins.analyst)
    assert (app.username, app.host, app.port, app.database) == ("merchantry_app", "db.test", 6432, "mall")
    assert app.query == {"sslmode": "require"}
    assert app.drivername == "postgresql+psycopg"
    assert len({app.password, analyst.password, "secret"}) == 3
    assert logins.listen == logins.app.replace("+psycopg", "")
    assert derive("postgresql://boss:other@db.test/mall").passwords != logins.passwords
    assert "secret" not in repr(logins)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_an_owners_password_may_hold_any_character(scheme: str) -> None:
    logins = derive(f"{scheme}://boss:se%20cret%2F%40%25@db.test/mall")
    assert conninfo_to_dict(logins.owner)["password"] == "se cret/@%"
    assert conninfo_to_dict(logins.listen)["user"] == "merchantry_app"


def test_without_a_password_nobody_has_one() -> None:
    assert make_url(derive("postgresql://boss@/mall?host=/run/x").app).password is None


@pytest.mark.parametrize(
    "url", ["", "mall", "mysql://boss@db/mall", "postgresql://boss@db", "postgresql://boss@db:x/m"]
)
def test_another_kind_of_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValueError, match="postgresql://user:password@host"):
        derive(url)


def test_bootstrap_can_be_repeated_and_keeps_what_the_logins_may_not_do(logins: Logins) -> None:
    for _ in range(2):
        bootstrap.prepare(logins)
    with psycopg.connect(logins.listen) as connection:
        assert connection.execute("SHOW search_path").fetchone() == ('""',)
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("CREATE TEMP TABLE mine (n int)")
    with psycopg.connect(make_url(logins.analyst).set(drivername="postgresql").render_as_string(False)) as connection:
        assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",)


def test_an_owner_who_may_not_create_roles_is_told_the_remedy(logins: Logins) -> None:
    with pytest.raises(bootstrap.DatabaseUnsuitable, match="CREATEROLE"):
        bootstrap.prepare(derive(logins.listen))
