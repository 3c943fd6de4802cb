"""Letters between this process and a real mail server: never twice, never in clear, not for ever."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import trio

from actors import mailer
from actors.mailer import Mailer, MailRefused, NotNow, SmtpConfig, post
from storage import mails
from storage.database import Database
from storage.errors import DatabaseUnavailable, OutcomeUnknown
from storage.founding import NewCompany, create_company
from storage.ids import CompanyId
from storage.mails import Mail
from storage.secrets import SecretBox
from storage.users import NewUser
from tests.mail_catcher import LETTER, MailCatcher, open_catcher

BOX = SecretBox(b"k" * 32)
SOON = datetime.now(UTC) + timedelta(hours=1)
LETTER_TO_ANA = Mail(to="ana@x.test", subject="Olá", text="Até já.\n.\nponto")


def config(catcher: MailCatcher, **more: str) -> SmtpConfig:
    return SmtpConfig(host="127.0.0.1", port=catcher.port, sender="me@chatia.test", **more)


async def company(database: Database) -> CompanyId:
    admin = NewUser(name="A", email="a@x.test", password_hash="-")
    return (await create_company(database, NewCompany(name="One"), admin)).company.id


async def order(
    database: Database, company_id: CompanyId, mail: Mail = LETTER_TO_ANA, **more: datetime
) -> None:
    times = {"expires_at": SOON} | more
    async with database.begin(company_id) as tx:
        await mails.order(tx, company_id, mail, box=BOX, **times)


async def states(database: Database) -> list[str]:
    found = await database.rows(sa.text("select state from outbox order by id"))
    return [row[0] for row in found]


async def test_what_was_being_sent_when_a_process_ended_is_not_sent_again(database: Database):
    company_id = await company(database)
    await order(database, company_id)
    assert await mails.take_due(database, BOX) is not None  # and here the process is killed
    await order(database, company_id)
    async with open_catcher() as catcher, trio.open_nursery() as nursery:
        nursery.start_soon(Mailer(database, BOX, config(catcher)).run)
        (letter,) = await catcher.wait_for(1)
        while (seen := await states(database)) != ["unknown", "sent"]:
            assert "sending" in seen
        nursery.cancel_scope.cancel()
    assert letter["To"] == "ana@x.test"
    assert letter.get_content().splitlines() == LETTER_TO_ANA.text.splitlines()
    texts = sa.text("select count(payload) from outbox")
    assert await database.value(texts) == 0


async def test_a_letter_that_comes_too_late_is_not_sent(database: Database):
    company_id = await company(database)
    await order(database, company_id, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await order(database, company_id)
    async with open_catcher() as catcher, trio.open_nursery() as nursery:
        nursery.start_soon(Mailer(database, BOX, config(catcher)).run)
        await catcher.wait_for(1)
        while "sending" in await states(database):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert await states(database) == ["dead", "sent"]


ODD = ["joão@exemplo.com", "-#@[", ']>;@?,"', "ana@joão.test"]


async def test_an_odd_address_is_refused_and_the_next_letter_is_sent(
    database: Database, caplog: pytest.LogCaptureFixture
):
    company_id = await company(database)
    for to in ODD:
        await order(database, company_id, Mail(to=to, subject="s", text="the secret link"))
    await order(database, company_id)
    async with open_catcher() as catcher, trio.open_nursery() as nursery:
        nursery.start_soon(Mailer(database, BOX, config(catcher)).run)
        (letter,) = await catcher.wait_for(1)
        while (seen := await states(database)) != ["failed"] * len(ODD) + ["sent"]:
            assert "unknown" not in seen
        nursery.cancel_scope.cancel()
    assert letter["To"] == "ana@x.test"
    assert "_envelope" in caplog.text  # where it happened
    assert not any(said in caplog.text for said in ("secret", "exemplo", "joão"))


@pytest.mark.parametrize("host", ["a" * 64 + ".test", "mail..test", "\udce9.test"])
async def test_a_mail_server_that_no_name_can_be_of_makes_letters_wait(
    database: Database, host: str
):
    await order(database, await company(database))
    nowhere = SmtpConfig(host=host, port=25, sender="me@chatia.test", timeout=2.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Mailer(database, BOX, nowhere).run)
        with trio.fail_after(10):
            while await database.value(sa.text("select error from outbox")) is None:
                assert set(await states(database)) <= {"pending", "sending"}
        nursery.cancel_scope.cancel()
    assert await states(database) == ["pending"]


@pytest.mark.parametrize("answer", ["250 kept", "550 no", "450 later", ""])
async def test_a_verdict_that_the_database_did_not_take_is_written_when_it_is_back(
    database: Database, monkeypatch: pytest.MonkeyPatch, answer: str
):
    away = trio.Event()

    async def refuse(*_: object, **__: object) -> None:
        away.set()
        message = "away"
        raise DatabaseUnavailable(message)

    await order(database, await company(database))
    async with open_catcher() as catcher, trio.open_nursery() as nursery:
        catcher.answers[LETTER] = answer
        posting = Mailer(database, BOX, config(catcher))
        with monkeypatch.context() as broken:
            broken.setattr(mails, "settle", refuse)
            broken.setattr(mails, "try_again", refuse)
            nursery.start_soon(posting.run)
            await away.wait()
            assert await states(database) == ["sending"]
        expected = {"250 kept": "sent", "550 no": "failed", "450 later": "pending", "": "unknown"}
        with trio.fail_after(10):
            while (await states(database)) != [expected[answer]]:
                posting.wake()
        nursery.cancel_scope.cancel()
    assert catcher.heard.count(LETTER) == 1


async def test_a_letter_whose_taking_was_not_confirmed_is_in_doubt_before_the_next_restart(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    take, lost = mails.take_due, trio.Event()

    async def lose_the_answer(*place: Any) -> None:
        await take(*place)
        lost.set()
        message = "lost"
        raise OutcomeUnknown(message)

    await order(database, await company(database))
    async with open_catcher() as catcher, trio.open_nursery() as nursery:
        posting = Mailer(database, BOX, config(catcher))
        with monkeypatch.context() as broken:
            broken.setattr(mails, "take_due", lose_the_answer)
            nursery.start_soon(posting.run)
            await lost.wait()
        with trio.fail_after(10):
            while (await states(database)) != ["unknown"]:
                posting.wake()
        nursery.cancel_scope.cancel()
    assert catcher.heard == []


async def test_two_who_take_get_different_letters(database: Database):
    company_id = await company(database)
    for _ in range(3):
        await order(database, company_id)
    taken = []

    async def take() -> None:
        taken.append(await mails.take_due(database, BOX))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(take)
    ids = [found.id for found in taken if found is not None]
    assert len(ids) == len(set(ids)) == 3


async def test_a_letter_that_this_key_does_not_open_is_given_up(database: Database):
    await order(database, await company(database))
    with pytest.raises(mailer.SecretUnreadable):
        await mails.take_due(database, SecretBox(b"x" * 32))
    assert await states(database) == ["failed"]


async def test_a_password_is_not_sent_in_clear(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mailer, "LOCAL", frozenset())
    async with open_catcher() as catcher:
        with pytest.raises(NotNow, match="encryption"):
            await trio.to_thread.run_sync(
                post, config(catcher, user="me", password="secret"), LETTER_TO_ANA, "1"
            )
        assert catcher.heard == ["EHLO"]


@pytest.mark.parametrize("to", ["ana@x.test\r\nBcc: eve@x.test", "ana@x.test\n"])
async def test_an_address_adds_no_header(to: str):
    async with open_catcher() as catcher:
        bad = Mail(to=to, subject="s", text="t")
        with pytest.raises(MailRefused):
            await trio.to_thread.run_sync(post, config(catcher), bad, "1")
        assert catcher.heard == []


async def test_without_a_server_a_letter_waits():
    nobody = SmtpConfig(host="127.0.0.1", port=9, sender="me@chatia.test", timeout=2.0)
    with pytest.raises(NotNow):
        await trio.to_thread.run_sync(post, nobody, LETTER_TO_ANA, "1")


async def test_the_same_letter_has_the_same_id():
    async with open_catcher() as catcher:
        for _ in range(2):
            await trio.to_thread.run_sync(post, config(catcher), LETTER_TO_ANA, "7.3")
        first, second = catcher.letters
    assert first["Message-ID"] == second["Message-ID"] == "<7.3@chatia.test>"
    assert LETTER in catcher.heard
