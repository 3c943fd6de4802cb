"""The mailer: posts ordered letters to the installation's mail server, each at most once.

SMTP (RFC 5321) is spoken by the standard library in a thread. What fails before the server has the
text is tried again later; what fails while it has it stays unknown and is never repeated.
"""

import contextlib
import logging
import smtplib
import ssl
import traceback
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr

import msgspec
import trio

from storage import mails
from storage.database import Database
from storage.errors import StorageError
from storage.mails import Mail, OrderedMail
from storage.outbox import State
from storage.secrets import SecretBox, SecretUnreadable

log = logging.getLogger("actors.mailer")

POLL = 30.0
ATTEMPTS = 8
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class SmtpConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The mail server. `tls` from the first byte on; else STARTTLS where it is offered.

    A password is never sent in clear, but to this machine itself.
    """

    host: str
    port: int
    sender: str
    user: str = ""
    password: str = ""
    tls: bool = False
    timeout: float = 15.0


class MailFailure(Exception):
    """A letter was not taken."""


class NotNow(MailFailure):
    """It surely did not leave, and is worth another try."""


class MailRefused(MailFailure):
    """It was refused for good."""


class MailInDoubt(MailFailure):
    """The server had the text and did not say that it kept it: nobody knows."""


def post(config: SmtpConfig, mail: Mail, key: str) -> None:
    """Hand one letter over; blocks, so call it in a thread. Raises MailFailure."""
    text = _letter(config, mail, key)
    try:
        server = _connected(config)
    except (smtplib.SMTPException, OSError, UnicodeError) as error:  # no host has such a name
        raise NotNow(_words(error)) from error
    try:
        _envelope(server, parseaddr(config.sender)[1], mail.to)
        _hand_over(server, text)
        with contextlib.suppress(smtplib.SMTPException, OSError):
            server.quit()
    finally:
        server.close()


def _letter(config: SmtpConfig, mail: Mail, key: str) -> bytes:
    domain = parseaddr(config.sender)[1].rpartition("@")[2]
    if any(character.isspace() for character in mail.to):
        reason = "no address has spaces"
        raise MailRefused(reason)
    message = EmailMessage(policy=SMTP)
    try:
        message["From"], message["To"], message["Subject"] = config.sender, mail.to, mail.subject
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{key}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        return message.as_bytes()
    except ValueError as error:  # an address that no header can hold
        raise MailRefused(_words(error)) from error


def _connected(config: SmtpConfig) -> smtplib.SMTP:
    """A server that is greeted, encrypted and logged in to."""
    secure = ssl.create_default_context()
    server: smtplib.SMTP
    if config.tls:
        server = smtplib.SMTP_SSL(config.host, config.port, timeout=config.timeout, context=secure)
    else:
        server = smtplib.SMTP(config.host, config.port, timeout=config.timeout)
    try:
        server.ehlo_or_helo_if_needed()
        encrypted = config.tls
        if not encrypted and server.has_extn("starttls"):
            server.starttls(context=secure)
            encrypted = True
        if config.user:
            if not encrypted and config.host not in LOCAL:
                message = "the server offers no encryption for the password"
                raise smtplib.SMTPNotSupportedError(message)
            server.login(config.user, config.password)
    except BaseException:
        server.close()
        raise
    return server


def _envelope(server: smtplib.SMTP, sender: str, to: str) -> None:
    try:
        for code, answer in (server.mail(sender), server.rcpt(to)):
            _check(code, answer)
    except (smtplib.SMTPException, OSError) as error:
        raise NotNow(_words(error)) from error


def _hand_over(server: smtplib.SMTP, text: bytes) -> None:
    try:
        code, answer = server.data(text)
    except smtplib.SMTPDataError as error:  # it did not want to hear the text
        raise _refusal(error.smtp_code)(_words(error)) from error
    except (smtplib.SMTPException, OSError) as error:
        raise MailInDoubt(_words(error)) from error
    _check(code, answer)


def _check(code: int, answer: bytes) -> None:
    if code >= 400:
        words = answer.decode("utf-8", "replace")[:200]
        raise _refusal(code)(words)


def _refusal(code: int) -> type[MailFailure]:
    """What a reply means: 4yz says not now, 5yz says no (RFC 5321, 4.2.1)."""
    return MailRefused if code >= 500 else NotNow


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How handing a letter over ended; "pending" is another attempt `wait` seconds later."""

    state: State
    reason: str = ""
    wait: float = 0.0


def verdict(failure: MailFailure, attempt: int) -> Verdict:
    """What becomes of a letter whose `attempt`, counted from 1, failed."""
    reason = str(failure)
    if isinstance(failure, MailInDoubt):
        return Verdict(state="unknown", reason=reason)
    if isinstance(failure, MailRefused) or attempt >= ATTEMPTS:
        return Verdict(state="failed", reason=reason)
    return Verdict(state="pending", reason=reason, wait=2.0**attempt)


class Mailer:
    """Sends what is ordered, oldest first, one letter at a time. One per process."""

    def __init__(self, database: Database, box: SecretBox, smtp: SmtpConfig) -> None:
        self._database = database
        self._box = box
        self._smtp = smtp
        self._ordered = trio.Event()
        self._unwritten: tuple[OrderedMail, Verdict] | None = None

    def wake(self) -> None:
        """Tell that a letter was ordered; without it, it is found within half a minute."""
        self._ordered.set()

    async def run(self) -> None:
        """Post letters for ever; a database that is away is asked again later.

        A verdict that it could not take is kept, and written before anything else is sent.
        """
        started = False
        while True:
            self._ordered = trio.Event()
            try:
                await self._write()
                if not started:
                    await mails.doubt_interrupted(self._database)
                    started = True
                while (taken := await mails.take_due(self._database, self._box)) is not None:
                    self._unwritten = taken, await self._sent(taken)
                    await self._write()
            except SecretUnreadable as error:
                log.warning("mail waits: %s", error)
            except StorageError as error:
                log.warning("mail waits: %s", error)
                started = False  # what it did not say it took from the queue is in doubt as well
            with trio.move_on_after(POLL):
                await self._ordered.wait()

    async def _sent(self, taken: OrderedMail) -> Verdict:
        """Hand a letter over, and say how it ended; no letter ends the mailer."""
        if taken.expires_at < datetime.now(UTC):
            return Verdict(state="dead", reason="too late to be of use")
        key = f"{taken.company_id}.{taken.id}.chatia"
        try:
            # Abandoned when the process ends: the letter is then in doubt, as after a kill.
            await trio.to_thread.run_sync(post, self._smtp, taken.mail, key, abandon_on_cancel=True)
        except MailFailure as failure:
            log.warning("mail %s not sent: %s: %s", taken.id, type(failure).__name__, failure)
            return verdict(failure, taken.attempt)
        except Exception as error:  # noqa: BLE001 (no letter may end the mailer, and all else with it)
            # Where it happened, but not its words: they may quote the letter.
            name, places = type(error).__name__, traceback.format_tb(error.__traceback__)
            log.error("mail %s not sent: %s\n%s", taken.id, name, "".join(places))
            return verdict(MailRefused(name), taken.attempt)
        return Verdict(state="sent")

    async def _write(self) -> None:
        """Write the verdict that is kept, if there is one; writing it twice changes nothing."""
        if self._unwritten is None:
            return
        taken, ended = self._unwritten
        place = self._database, taken.company_id, taken.id
        with trio.CancelScope(shield=True):
            if ended.state == "pending":
                await mails.try_again(*place, ended.reason, seconds=ended.wait)
            else:
                await mails.settle(*place, ended.state, ended.reason)
        self._unwritten = None
