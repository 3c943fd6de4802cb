"""Changed texts of the frontend, and the registration that there is none of."""

from tests.api.conftest import World

TEXT = {"language": "pt", "namespace": "translation", "key": "login.title", "value": "Entrar"}


async def listed(world: World, query: str = "") -> dict[str, str]:
    answer = await world.call("GET", "/translations", token=world.super, query=query)
    return {text["key"]: text["value"] for text in answer.json()["translations"]}


async def test_a_text_is_changed_and_taken_back(world: World):
    saved = await world.call("POST", "/translations", TEXT, token=world.super)
    assert (saved.status, saved.json()["translation"]["value"]) == (200, "Entrar")
    again = TEXT | {"value": "Acessar"}
    assert (await world.call("POST", "/translations", again, token=world.super)).status == 200
    assert await listed(world, "language=pt") == {"login.title": "Acessar"}
    assert await listed(world, "language=en") == {}
    languages = await world.call("GET", "/translations/languages", token=world.super)
    assert languages.json() == {"languages": ["pt"]}
    gone = await world.call("POST", "/translations", TEXT | {"value": ""}, token=world.super)
    assert gone.json() == {"message": "Translation removed", "translation": None}
    assert await listed(world) == {}


async def test_this_installation_registers_nowhere(world: World):
    for method in ("GET", "POST"):
        answer = await world.call(method, "/ticketz/registry", token=world.super)
        assert (answer.status, answer.json()) == (200, {"disabled": True})
