"""Settings of each store by their declared table: types, defaults, who writes and who sees them."""

import pytest
import sqlalchemy as sa

from storage import settings
from storage.secrets import SecretUnreadable
from storage.setting_keys import CAMPAIGN, FILE, KEYS, SettingKey, known
from storage.settings import INSTALLATION
from storage.views import COMPANY_SETTING_FIELDS
from tests.api.conftest import World

COMPANY = [key for key, spec in KEYS.items() if not spec.installation]
OPERATORS = [key for key, spec in KEYS.items() if spec.installation and spec.kind is not FILE]
SECRET = [key for key, spec in KEYS.items() if spec.secret and spec.kind is not FILE]
WRITTEN = {key: spec for key, spec in KEYS.items() if spec.kind is not FILE}
SHOWN = "••••••••"


def fitting(spec: SettingKey) -> str:
    """A value that the type takes."""
    names = spec.kind.name.split("|")
    if len(names) > 1:
        return names[-1]
    return {"json": "[1]", "text": "some text"}.get(names[0], "7")


def test_every_default_is_of_its_type():
    for key, spec in {**KEYS, **CAMPAIGN}.items():
        assert (key, spec.kind.normal(spec.default)) == (key, spec.default)


def test_what_is_secret_is_for_admins_at_most():
    assert all(KEYS[key].visible in ("admin", "super") for key in SECRET)
    assert known("_anything").secret
    assert not known("anything").secret


async def write(world: World, key: str, value: str, token: str, store: str = "settings"):
    return await world.call("PUT", f"/{store}/{key}", {"value": value}, token=token)


async def test_a_companys_settings_are_written_by_its_admins(world: World):
    for key in COMPANY:
        value = fitting(KEYS[key])
        answer = await write(world, key, value, world.b.admin)
        assert (key, answer.status) == (key, 200)
        secret = KEYS[key].secret
        assert (key, answer.json()["value"]) == (key, SHOWN if secret else value)
        assert (await write(world, key, value, world.b.user)).status == 403


async def test_the_installations_settings_are_written_by_operators_alone(world: World):
    for key in OPERATORS:
        for admin in (world.a.admin, world.b.admin):  # a's company is the installation's
            for store in ("settings", "setting"):
                answer = await write(world, key, "7", admin, store)
                assert (key, store, answer.status) == (key, store, 403)
        value = fitting(KEYS[key])
        for store in ("settings", "setting"):
            answer = await write(world, key, value, world.super, store)
            assert (key, store, answer.status) == (key, store, 200)
            assert answer.json()["companyId"] == INSTALLATION


@pytest.mark.parametrize(
    ("key", "given", "kept"),
    [
        ("userRating", "true", "enabled"),
        ("userRating", "", "disabled"),
        ("campaignsEnabled", "enabled", "true"),
        ("chatBotType", "LIST", "list"),
        ("ratingsTimeout", " 007 ", "7"),
        ("ratingsTimeout", "", ""),
        ("suppressionTagNames", '["a"]', '["a"]'),
        ("ticketAcceptedMessage", " as it is\n", " as it is\n"),
        ("whateverElse", "{", "{"),
    ],
)
async def test_values_are_kept_as_their_type_spells_them(world: World, key, given, kept):
    answer = await write(world, key, given, world.b.admin)
    assert (answer.status, answer.json()["value"]) == (200, kept)
    assert await settings.value_of(world.app.parts.database, world.b.id, key) == kept


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("userRating", "maybe"),
        ("chatBotType", "carousel"),
        ("ratingsTimeout", "-1"),
        ("ratingsTimeout", "5.5"),
        ("ratingsTimeout", "٣"),
        ("ratingsTimeout", "9" * 30),
        ("suppressionTagNames", "{"),
        ("suppressionTagNames", "[" * 5000),
        ("tagsMode", "enabled"),
        ("x" * 101, "v"),
    ],
)
async def test_a_value_of_another_type_is_refused_and_changes_nothing(world: World, key, given):
    before = await world.rows_of(world.b)
    answer = await write(world, key, given, world.b.admin)
    assert (answer.status, answer.json()["error"]) == (400, "ERR_VALIDATION")
    assert await world.rows_of(world.b) == before


async def test_an_unset_setting_has_its_default_inside_and_is_null_outside(world: World):
    assert await settings.value_of(world.app.parts.database, world.b.id, "ratingsTimeout") == "5"
    shown = await world.call("GET", "/settings/ratingsTimeout", token=world.b.admin)
    assert (shown.status, shown.body) == (200, b"null")
    public = await world.call("GET", "/public-settings/ALLOWSIGNUP")
    assert public.json() == "disabled"


async def test_secrets_are_sealed_at_rest_and_masked_everywhere(world: World):
    database, box = world.app.parts.database, world.app.parts.box
    for key in (*SECRET, "_private"):
        by, store = (
            (world.super, "setting") if known(key).installation else (world.b.admin, "settings")
        )
        answer = await write(world, key, f"plain of {key}", by, store)
        assert (key, answer.json()["value"]) == (key, SHOWN)
        shown = await world.call("GET", f"/{store}/{key}", token=by)
        assert (key, shown.json()["value"]) == (key, SHOWN)
        again = await write(world, key, SHOWN, by, store)  # the form comes back untouched
        assert again.status == 200
        company_id = INSTALLATION if known(key).installation else world.b.id
        kept = await settings.find(database, company_id, key)
        assert settings.opened(kept, box) == f"plain of {key}"
    stored = await database.value(sa.text("select string_agg(value, ' ') from settings"))
    logged = await database.value(sa.text("select string_agg(ids::text, ' ') from events"))
    assert "plain of" not in stored + logged
    for token in (world.super, world.b.admin):
        listed = await world.call("GET", "/settings", token=token)
        assert b"plain of" not in listed.body


async def test_a_sealed_value_does_not_open_for_another_company(world: World):
    await write(world, "openAiKey", "of b", world.b.admin)
    copied = f"insert into settings (company_id, key, value) select {world.a.id}, key, value "
    copied += f"from settings where company_id = {world.b.id} and key = 'openAiKey'"
    await world.app.parts.database.execute(sa.text(copied))
    kept = await settings.find(world.app.parts.database, world.a.id, "openAiKey")
    with pytest.raises(SecretUnreadable):
        settings.opened(kept, world.app.parts.box)


async def test_everybody_sees_what_the_table_says_and_no_more(world: World):
    tokens = {"user": world.a.user, "admin": world.a.admin, "super": world.super}
    for key, spec in {**WRITTEN, "unheardOf": known("unheardOf")}.items():
        store = "setting" if spec.installation else "settings"
        by = world.super if spec.installation else world.a.admin
        assert (await write(world, key, fitting(spec), by, store)).status == 200
    ranks = ["public", "user", "admin", "super"]
    for role, token in tokens.items():
        listed = (await world.call("GET", "/settings", token=token)).json()
        seen = {row["key"] for row in listed}
        for key in (*WRITTEN, "unheardOf"):
            may = ranks.index(known(key).visible) <= ranks.index(role)
            assert (role, key, key in seen) == (role, key, may)
            one = await world.call("GET", f"/settings/{key}", token=token)
            assert (role, key, one.body != b"null") == (role, key, may)
    login = (await world.login("user@a.test")).json()["user"]["company"]["settings"]
    assert all(known(row["key"]).visible in ("public", "user") for row in login)
    for key in KEYS:
        public = await world.call("GET", f"/public-settings/{key}")
        assert (key, public.body != b"null") == (key, known(key).visible == "public")


async def test_installation_settings_that_are_not_for_everybody_are_operators(world: World):
    for key in OPERATORS:
        answer = await world.call("GET", f"/setting/{key}", token=world.a.admin)
        expected = 200 if known(key).visible in ("public", "user") else 403
        assert (key, answer.status) == (key, expected)


WRONG = {"chatBotType": "carousel", "scheduleType": "never"}


async def test_every_company_column_is_written_and_read_under_its_name(world: World):
    for column in COMPANY_SETTING_FIELDS:
        read = await world.call(
            "GET", "/companySettingOne", token=world.b.admin, query=f"column={column}"
        )
        value = read.json()[column]
        other = {"disabled": "enabled", "enabled": "disabled", True: "false", False: "true"}
        given = value if column in WRONG else other.get(value, "3")
        body = {"column": column, "data": given}
        written = await world.call("PUT", "/companySettings", body, token=world.b.admin)
        assert (column, written.status) == (column, 200)
        shown = written.json()["result"][column]
        assert (column, str(shown).lower()) == (column, given)
    for column, wrong in WRONG.items():
        body = {"column": column, "data": wrong}
        refused = await world.call("PUT", "/companySettings", body, token=world.b.admin)
        assert (column, refused.status) == (column, 400)


@pytest.mark.parametrize(
    ("key", "given", "kept"),
    [
        ("messageInterval", 30, "30"),
        ("messageInterval", "5", "5"),
        ("sabado", True, "true"),
        ("startHour", "8:30", "08:30"),
        ("variables", [{"key": "a", "value": "b"}], '[{"key":"a","value":"b"}]'),
        ("unheardOf", "x", "x"),
        ("messageInterval", "often", None),
        ("startHour", "25:00", None),
        ("endHour", "8", None),
        ("variables", "{", None),
    ],
)
async def test_the_pace_of_campaigns_has_types_too(world: World, key, given, kept):
    body = {"settings": {key: given}}
    answer = await world.call("POST", "/campaign-settings", body, token=world.b.admin)
    if kept is None:
        assert (answer.status, answer.json()["error"]) == (400, "ERR_VALIDATION")
    else:
        assert {row["key"]: row["value"] for row in answer.json()}[key] == kept


async def test_the_operators_companys_own_settings_are_its_own(world: World):
    for key, spec in KEYS.items():
        if spec.installation or spec.visible not in ("public", "user"):
            continue
        for token in (world.b.user, world.b.admin):
            refused = await world.call("GET", f"/setting/{key}", token=token)
            assert (key, refused.status) == (key, 403)
    text = {"value": "internal text of company a"}
    written = await world.call("PUT", "/settings/outsidemessage", text, token=world.a.admin)
    assert written.status == 200
    shown = await world.call("GET", "/setting/outsidemessage", token=world.super)
    assert shown.json()["value"] == text["value"]
