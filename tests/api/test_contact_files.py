"""Contacts and lists in and out as spreadsheets."""

import io

import pytest
import sqlalchemy as sa
import trio
from openpyxl import load_workbook

from actors.channels.base import Phone, SharedContact
from actors.events import MailingListFilled
from actors.router import MOST_IMPORTED
from api.http_types import Upload
from api.realtime import wire
from api.resources import contact_files
from api.resources.contact_files import MOST_NEW_TAGS
from api.resources.spreadsheets import MOST_TAGS, People
from storage.database import Tx
from storage.sql import Query, bound
from tests.api.conftest import World
from tests.api.test_plain_nouns import upload
from tests.api.test_spreadsheets import FILES


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


async def test_open_pages_of_a_list_take_over_what_an_upload_added(world: World):
    made = await world.call("POST", "/contact-lists", {"name": "l"}, token=world.a.admin)
    list_id = made.json()["id"]
    again = world.app.realtime.ports.events_again
    assert again is not None

    async def uploaded(numbers: range) -> list[MailingListFilled]:
        """What was told of an upload, read again from the log."""
        since = (await world.call("GET", "/events", token=world.a.admin)).json()["lastSeq"]
        text = "\n".join(("name,number", *(f"N,{5511000000000 + n}" for n in numbers)))
        path = f"/contact-lists/{list_id}/upload"
        answer = await upload(world, path, world.a.admin, "x.csv", text.encode())
        assert answer.status == 200, answer
        told = [event for _, event in await again(world.a.id, since, 100)]
        return [event for event in told if isinstance(event, MailingListFilled)]

    [first] = await uploaded(range(3))
    assert (first.list_id, first.count) == (list_id, 3)
    assert [item.number for item in first.items] == [str(5511000000000 + n) for n in range(3)]
    assert await uploaded(range(3)) == []
    [second] = await uploaded(range(MailingListFilled.MOST + 5))
    assert second.count == MailingListFilled.MOST + 2
    assert len(second.items) == MailingListFilled.MOST
    assert second.items[0].number == "5511000000003"
    [push] = wire.pushes(second)
    assert push.name == f"company-{world.a.id}-ContactListItem-{list_id}"
    assert push.payload == {"action": "reload", "records": second.items}


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


def tagged(*lines: range) -> bytes:
    """A file whose people have numbered tags."""
    texts = [",".join(f"t{n}" for n in numbers) for numbers in lines]
    people = [f'{5521955550000 + place},"{text}"' for place, text in enumerate(texts)]
    return "\n".join(("number,tags", *people)).encode()


async def import_tagged(world: World, content: bytes):
    return await upload(world, "/contacts/importCsv", world.a.admin, "x.csv", content)


async def test_a_line_with_too_many_tags_is_reported_and_the_others_stay(world: World):
    content = tagged(range(MOST_TAGS + 1), range(12_000), range(MOST_TAGS))
    answer = await import_tagged(world, content)
    assert answer.json() == {
        "created": 1,
        "known": 0,
        "failed": [{"line": line, "error": f"more than {MOST_TAGS} tags"} for line in (2, 3)],
    }
    listed = await world.call("GET", "/tags/list", token=world.a.admin)
    assert {f"t{n}" for n in range(MOST_TAGS)} <= {tag["name"] for tag in listed.json()}
    body = {"number": "5511966660000", "tags": ",".join("x" for _ in range(MOST_TAGS + 1))}
    assert (await world.call("POST", "/contactsImport", body, token=world.a.admin)).status == 400


async def test_a_file_that_makes_too_many_tags_is_refused_and_changes_nothing(world: World):
    before = await world.rows_of(world.a)
    lines = [range(n, n + MOST_TAGS) for n in range(0, MOST_NEW_TAGS + 1, MOST_TAGS)]
    answer = await import_tagged(world, tagged(*lines))
    assert answer.status == 400
    assert answer.json()["details"][0]["message"] == f"more than {MOST_NEW_TAGS} new tags"
    assert await world.rows_of(world.a) == before


async def test_tags_of_an_import_are_made_and_linked_by_one_statement_each(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    written: list[str] = []
    real = Tx.execute

    async def noted(self: Tx, statement: Query, **params: object) -> int:
        written.append(bound(statement, params)[0].sql)
        return await real(self, statement, **params)

    monkeypatch.setattr(Tx, "execute", noted)
    answer = await import_tagged(world, tagged(*(range(n, n + 9) for n in range(100))))
    assert answer.json()["created"] == 100
    for table in ("tags", "contact_tags"):
        assert len([text for text in written if text.startswith(f"INSERT INTO {table} ")]) == 1
    again = await import_tagged(world, tagged(range(3)))
    assert (again.status, again.json()["known"]) == (200, 1)


async def test_a_company_imports_one_file_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch):
    entered, go = trio.Event(), trio.Event()
    real = contact_files.people_in

    async def held(given: Upload) -> People:
        entered.set()
        await go.wait()
        return await real(given)

    monkeypatch.setattr(contact_files, "people_in", held)
    answers = []

    async def first() -> None:
        answers.append(await import_tagged(world, tagged(range(1))))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(first)
        await entered.wait()
        refused = await import_tagged(world, tagged(range(1)))
        go.set()
    assert (refused.status, answers[0].status) == (429, 200)
    assert (await import_tagged(world, tagged(range(1)))).status == 200


@pytest.mark.parametrize("kind", ["csv", "xlsx", "xls"])
async def test_every_kind_of_file_brings_contacts_with_their_tags_once(world: World, kind: str):
    for created, known in ((2, 1), (0, 3)):
        answer = await upload(world, "/contacts/upload", world.a.admin, f"x.{kind}", FILES[kind])
        assert answer.status == 200, answer
        report = answer.json()
        assert (report["created"], report["known"]) == (created, known)
        assert report["failed"] == [{"line": 5, "error": "no number"}]
    found = await world.call("GET", "/contacts", token=world.a.admin, query="searchParam=ana")
    (ana,) = found.json()["contacts"]
    assert sorted(tag["name"] for tag in ana["tags"]) == ["novo", "vip"]


async def test_an_import_is_committed_and_told_in_batches(world: World):
    lines = "\n".join(f"P {n},5521{900000000 + n}" for n in range(MOST_IMPORTED + 5))
    answer = await upload(
        world, "/contacts/importCsv", world.a.admin, "x", f"name,number\n{lines}".encode()
    )
    assert answer.json() == {"created": MOST_IMPORTED + 5, "known": 0, "failed": []}
    told = sa.text("select (ids->>'count')::int from events where kind = 'contacts.imported'")
    rows = await world.app.parts.database.rows(told)
    assert sorted(row[0] for row in rows) == [5, MOST_IMPORTED]
    await world.receive(world.a, "5521900000000", "it is me")
    found = await world.call(
        "GET", "/contacts", token=world.a.admin, query="searchParam=5521900000000"
    )
    assert [contact["name"] for contact in found.json()["contacts"]] == ["P 0"]


async def test_an_export_can_be_a_workbook(world: World):
    path = "/contacts/exportCsv"
    answer = await world.call("GET", path, token=world.a.admin, query="format=xlsx")
    rows = list(load_workbook(io.BytesIO(answer.body)).active.values)
    assert rows[0] == ("name", "number", "email")
    assert len(rows) == 2
    refused = await world.call("GET", path, token=world.a.admin, query="format=exe")
    assert refused.status == 400


async def test_a_list_is_exported_to_its_company_alone(world: World):
    made = await world.call("POST", "/contact-lists", {"name": "l"}, token=world.a.admin)
    path = f"/contact-lists/{made.json()['id']}"
    await upload(world, f"{path}/upload", world.a.admin, "x.xlsx", FILES["xlsx"])
    answer = await world.call("GET", f"{path}/export", token=world.a.admin)
    assert answer.body.decode("utf-8-sig").splitlines() == [
        "name,number,email",
        "Ána,5511988880001,a@x",
        "Zé,5511988880002,",
    ]
    assert (await world.call("GET", f"{path}/export", token=world.b.admin)).status == 404


def card(name: str, *phones: str) -> SharedContact:
    return SharedContact(formatted_name=name, phones=tuple(Phone(phone=p) for p in phones))


async def test_a_phones_address_book_is_stored_once_per_number(world: World):
    world.app.simulator.address_book = (
        card("Ána", "+55 11 98888-0001", "+55 11 98888-0002"),
        card("Ána again", "5511988880001"),
        card("Nobody"),
        card("", "5511988880003"),
    )
    for created, known in ((3, 0), (0, 3)):
        body = {"whatsappId": world.a.connection_id} if created else {}
        answer = await world.call("POST", "/contacts/import", body, token=world.a.admin)
        assert answer.status == 200, answer
        assert (answer.json()["created"], answer.json()["known"]) == (created, known)
    found = await world.call("GET", "/contacts", token=world.a.admin, query="searchParam=ana")
    assert [contact["name"] for contact in found.json()["contacts"]] == ["Ána", "Ána"]


async def test_a_channel_without_an_address_book_says_so(world: World):
    for connection_id, refused in (
        (world.a.cloud_id, (501, "ERR_NOT_AVAILABLE")),
        (world.b.connection_id, (404, "ERR_NO_WAPP_FOUND")),
    ):
        body = {"whatsappId": connection_id}
        answer = await world.call("POST", "/contacts/import", body, token=world.a.admin)
        assert (answer.status, answer.json()["error"]) == refused
    assert (await world.call("POST", "/contacts/import", {}, token=world.a.user)).status == 403
