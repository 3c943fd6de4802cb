"""Why a login session does not open, or opens nothing any more."""

from api.errors import Unauthorized


class Revoked(Unauthorized):
    """The login session was ended: logout, reuse of an old token, or the user is gone (401)."""


class RotatedOut(Revoked):
    """The refresh token is neither the newest nor within the grace."""


class BadCredentials(Unauthorized):
    """Unknown address or wrong password; which of them is not told (401)."""

    code = "ERR_INVALID_CREDENTIALS"


class OutOfHours(Unauthorized):
    """Outside this user's working hours (401)."""

    code = "ERR_OUT_OF_HOURS"
