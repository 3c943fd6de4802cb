"""A company starts whole or not at all."""

import pytest

from storage import companies, company_settings, settings, users
from storage.database import Database
from storage.errors import NotFound, UniqueViolation
from storage.event_log import stream_positions
from storage.founding import NewCompany, create_company
from storage.setting_keys import seeds
from storage.settings import INSTALLATION
from storage.users import NewUser

ADMIN = NewUser(name="Ada", email="Ada@One.test", password_hash="h")


async def test_a_founded_company_has_settings_a_stream_and_an_admin(database: Database) -> None:
    founded = await create_company(database, NewCompany(name="One"), ADMIN)
    company_id = founded.company.id
    assert company_id == INSTALLATION
    assert founded.admin.profile == "admin"
    assert await companies.get(database, company_id) == founded.company
    assert await stream_positions(database) == {company_id: 0}
    assert (await company_settings.get(database, company_id)).menu_style == "text"
    stored = {item.key: item.value for item in await settings.all_of(database, company_id)}
    assert stored == seeds(installation=True)


async def test_only_the_first_company_holds_the_installations_settings(database: Database) -> None:
    await create_company(database, NewCompany(name="One"), ADMIN)
    second = await create_company(
        database, NewCompany(name="Two"), NewUser(name="B", email="b@two.test", password_hash="h")
    )
    keys = {item.key for item in await settings.all_of(database, second.company.id)}
    assert keys == seeds(installation=False).keys()


async def test_a_known_address_founds_nothing(database: Database) -> None:
    await create_company(database, NewCompany(name="One"), ADMIN)
    with pytest.raises(UniqueViolation):
        await create_company(database, NewCompany(name="Two"), ADMIN)
    assert [company.name for company in await companies.all_of(database)] == ["One"]


async def test_a_login_is_found_by_address_in_any_case(database: Database) -> None:
    founded = await create_company(database, NewCompany(name="One", timezone="UTC"), ADMIN)
    login = await users.login_by_email(database, "ADA@one.TEST")
    assert login is not None
    assert (login.company_id, login.id) == (founded.company.id, founded.admin.id)
    assert (login.password_hash, login.timezone, login.company_status) == ("h", "UTC", True)
    assert await users.login_by_email(database, "nobody@one.test") is None


async def test_a_login_is_remembered_on_the_company(database: Database) -> None:
    founded = await create_company(database, NewCompany(name="One"), ADMIN)
    company_id = founded.company.id
    async with database.begin(company_id) as tx:
        await companies.touch_login(tx, company_id)
    seen = (await companies.get(database, company_id)).last_login
    assert seen is not None
    async with database.begin(company_id) as tx:
        await companies.change(tx, company_id, {"status": False})
        with pytest.raises(NotFound):
            await companies.touch_login(tx, company_id)
    assert (await companies.get(database, company_id)).last_login == seen
