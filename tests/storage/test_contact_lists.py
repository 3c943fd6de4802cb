"""Contact lists: by name, found without accents or by digits, with all that hangs on them."""

from storage import contact_lists, tags
from storage.contact_lists import ContactFilter
from storage.database import Database
from storage.tags import TagPatch
from tests.storage.world import found, put_contact


async def test_contacts_are_found_by_name_without_accents_and_by_digits(
    database: Database,
) -> None:
    place, other = await found(database, "one"), await found(database, "two")
    joao = await put_contact(database, place.company_id, "554499", "João_100%")
    await put_contact(database, other.company_id, "554499", "João")
    cases = {
        "joao": [joao.id],
        "(4499)": [joao.id],
        "joão 4": [],
        "_100%": [joao.id],
        "_": [joao.id],
        "nobody": [],
        "": [joao.id, place.contact_id],
    }
    for text, expected in cases.items():
        rows = await contact_lists.page(database, place.company_id, ContactFilter(search=text))
        assert [contact.id for contact in rows.contacts] == expected, text
        assert rows.count == len(expected)


async def test_a_listed_contact_comes_with_its_tags(database: Database) -> None:
    place = await found(database, "one")
    plain = await put_contact(database, place.company_id, "1", "Plain")
    async with database.begin(place.company_id) as tx:
        tag = await tags.create(tx, place.company_id, TagPatch(name="VIP"))
        await tags.set_of_contact(tx, place.company_id, place.contact_id, (tag.id,))
    rows = await contact_lists.page(database, place.company_id, ContactFilter(tag_ids=(tag.id,)))
    assert [contact.id for contact in rows.contacts] == [place.contact_id]
    assert [(item.contact_id, item.tag_id) for item in rows.tags] == [(place.contact_id, tag.id)]
    everyone = await contact_lists.page(database, place.company_id, ContactFilter())
    assert {contact.id for contact in everyone.contacts} == {place.contact_id, plain.id}
