"""Credentials: an address and a password, changed together with everything that hangs on them."""

import msgspec
from msgspec import UNSET

from storage import password_resets, refresh_families, users
from storage.database import Tx
from storage.ids import CompanyId, UserId
from storage.users import User, UserPatch


class Changed(msgspec.Struct, frozen=True):
    """A user as of now, and the login sessions that ended by it: tell them once it is committed."""

    user: User
    ended: tuple[str, ...] = ()


async def change(
    tx: Tx,
    company_id: CompanyId,
    user_id: UserId,
    patch: UserPatch,
    *,
    reason: str = "password",
    keep: str = "",
) -> Changed:
    """Set what the patch sets, as `users.change` does, with the same refusals.

    In the same transaction a new password ends every session of the user but `keep`, and a new
    password or another address ends every mailed token that would set the next password.
    """
    moved = False
    if patch.email is not UNSET:
        moved = (await users.get(tx, company_id, user_id)).email != patch.email
    user = await users.change(tx, company_id, user_id, patch)
    if patch.password_hash is UNSET and not moved:
        return Changed(user)
    await password_resets.forget(tx, company_id, user_id)
    if patch.password_hash is UNSET:
        return Changed(user)
    ended = await refresh_families.revoke_user(tx, company_id, user_id, reason, keep=keep)
    return Changed(user, tuple(ended))
