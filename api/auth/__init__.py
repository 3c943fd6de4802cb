"""Login sessions: opened by a password, spoken for by tokens, ended by whoever may."""

from api.auth.bearers import Bearers as Bearers
from api.auth.logins import Auth as Auth
from api.auth.logins import Session as Session
from api.auth.refusals import BadCredentials as BadCredentials
from api.auth.refusals import OutOfHours as OutOfHours
from api.auth.refusals import Revoked as Revoked
