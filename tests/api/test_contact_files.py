"""Contacts in and out as CSV."""

from tests.api.conftest import World
from tests.api.test_plain_nouns import upload


async def test_a_file_is_imported_line_by_line(world: World):
    text = "Nome;Número;E-mail\nÁna;+55 (11) 98888-0001;a@x\n;5511988880002;\nBad;12;\nÁna;5511988880001;\n"
    answer = await upload(
        world, "/contacts/importCsv", world.a.admin, "x.csv", text.encode("latin-1")
    )
    assert answer.status == 200, answer
    assert answer.json() == {
        "created": 2,
        "known": 1,
        "failed": [{"line": 4, "error": "no number"}],
    }
    found = await world.call("GET", "/contacts", token=world.a.admin, query="searchParam=ana")
    assert [c["name"] for c in found.json()["contacts"]] == ["Ána"]


async def test_an_export_runs_no_formula(world: World):
    body = {"name": "=HYPERLINK(1)", "number": "5511977770000", "email": "@sum"}
    assert (await world.call("POST", "/contacts", body, token=world.a.admin)).status == 200
    exported = await world.call("GET", "/contacts/exportCsv", token=world.a.admin)
    text = exported.body.decode("utf-8-sig")
    assert "'=HYPERLINK(1),5511977770000,'@sum" in text
    assert exported.headers["content-type"].startswith("text/csv")
    assert (await world.call("GET", "/contacts/exportCsv", token=world.a.user)).status == 403


async def test_a_list_is_filled_once_per_number(world: World):
    made = await world.call("POST", "/contact-lists", {"name": "l"}, token=world.a.admin)
    path = f"/contact-lists/{made.json()['id']}"
    for expected in ((2, 1), (0, 3)):
        text = b"name,number\nA,551188880001\nB,551188880002\nC,551188880001\nD,x\n"
        answer = await upload(world, f"{path}/upload", world.a.admin, "x.csv", text)
        assert (answer.json()["created"], answer.json()["known"]) == expected
        assert answer.json()["failed"] == [{"line": 5, "error": "no number"}]
    shown = await world.call("GET", path, token=world.a.admin)
    assert shown.json()["contactsCount"] == 2


async def test_a_file_without_numbers_is_refused(world: World):
    for content in (b"", b"\x00\xff", b"name\nA\n", b"\x89PNG\r\n\x1a\n"):
        answer = await upload(world, "/contacts/importCsv", world.a.admin, "x.csv", content)
        assert answer.status == 400, answer


async def test_one_contact_of_an_import_brings_its_tags(world: World):
    body = {"name": "T", "number": "5511966660000", "tags": "VIP, new ,"}
    answer = await world.call("POST", "/contactsImport", body, token=world.a.admin)
    assert sorted(tag["name"] for tag in answer.json()["tags"]) == ["new", "vip"]
    again = await world.call("POST", "/contactsImport", body, token=world.a.admin)
    assert again.json()["id"] == answer.json()["id"]
