"""New passwords by mail: a token for the address's owner, good once and for an hour."""

import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import trio

from api.errors import Detail, NotAvailable, ResetExpired, ResetInvalid
from api.parts import Parts
from storage import credentials, mails, password_resets, users
from storage.acts import acting
from storage.ids import CompanyId, UserId
from storage.mails import Mail
from storage.users import Login, UserPatch

LIFETIME = timedelta(hours=1)
PATIENCE = 0.25
"""Seconds after which an asker is answered: known and unknown addresses take equally long."""


async def ask(parts: Parts, email: str, address: str) -> None:
    """Have a token mailed if somebody has this address; the caller learns nothing of it.

    Raises NotAvailable when the installation has no mail server, TooManyRequests for an address
    of the network that asks too often.
    """
    if parts.mailer is None:
        raise NotAvailable(Detail("$", "this installation has no mail server"))
    account = email.strip().lower()
    answer_at = trio.current_time() + PATIENCE
    if parts.limits.ask_letter(address, account):
        login = await users.login_by_email(parts.database, account)
        if login is not None and login.company_status:
            await _order(parts, login)
            parts.mailer.wake()
    await trio.sleep_until(answer_at)


async def use(parts: Parts, email: str, token: str, password: str, address: str) -> None:
    """Set the password that a mailed token stands for, and end every session of its user.

    Raises ResetInvalid, ResetExpired, or TooManyRequests for an address that guesses.
    """
    parts.limits.guess(address)
    found = await password_resets.find(parts.database, email.strip().lower(), token)
    if found is None:
        raise ResetInvalid
    if found.expired:
        raise ResetExpired
    hashed = await parts.auth.passwords.hash(password, address)
    company_id, user_id = found.company_id, found.user_id
    act = parts.audit.person(company_id, user_id, "passwords", "reset", address)
    with acting(act):
        await _set(parts, company_id, user_id, token, hashed)


async def _set(
    parts: Parts, company_id: CompanyId, user_id: UserId, token: str, hashed: str
) -> None:
    async with parts.database.begin(company_id) as tx:
        if not await password_resets.use(tx, company_id, user_id, token):
            raise ResetInvalid
        patch = UserPatch(password_hash=hashed)
        changed = await credentials.change(tx, company_id, user_id, patch, reason="password reset")
    parts.auth.bearers.ended(changed.ended)


async def _order(parts: Parts, login: Login) -> None:
    token = secrets.token_urlsafe(24)
    expires_at = datetime.now(UTC) + LIFETIME
    async with parts.database.begin(login.company_id) as tx:
        await password_resets.create(tx, login.company_id, login.id, token, expires_at)
        letter = _letter(parts, login.email, token)
        await mails.order(tx, login.company_id, letter, expires_at=expires_at, box=parts.box)


def _letter(parts: Parts, email: str, token: str) -> Mail:
    settings = parts.settings
    page = (settings.frontend_urls or (settings.public_url,))[0].rstrip("/")
    link = f"{page}/reset-password?{urlencode({'email': email, 'token': token})}"
    return Mail(
        to=email,
        subject="Redefinição de senha",
        text=(
            "Olá!\n\n"
            "Recebemos um pedido para redefinir a sua senha. Abra este endereço:\n\n"
            f"{link}\n\n"
            "ou informe este código na tela de redefinição:\n\n"
            f"{token}\n\n"
            "O código vale por uma hora e só pode ser usado uma vez.\n"
            "Se não foi você, ignore esta mensagem: a sua senha continua a mesma.\n"
        ),
    )
