"""What schemathesis is told of the world it calls: who asks, and which rows there are.

Loaded by the schemathesis command (SCHEMATHESIS_HOOKS), in a process of its own.
"""

import os
import zlib
from typing import Any

import msgspec
import requests
import schemathesis

BASE, PASSWORD, OPERATOR, AGENT, PROGRAM = os.environ["CONTRACT"].split("|")
ROWS: dict[str, Any] = msgspec.json.decode(os.environ["CONTRACT_ROWS"])
DECOYS = ("company_id", "user_id")
"""Never the caller's own: who deletes oneself sees nothing but 401 from then on."""

ENDING = ("/auth/logout", "/auth/sessions", "/auth/impersonate")
"""Requests that end sessions are made by somebody who asks for nothing else."""

_tokens: dict[str, str] = {}


def _token(path: str) -> str:
    email = AGENT if path.startswith(ENDING) else OPERATOR
    if email not in _tokens:
        answer = requests.post(
            f"{BASE}/auth/login", json={"email": email, "password": PASSWORD}, timeout=30
        )
        answer.raise_for_status()
        _tokens[email] = answer.json()["token"]
    return _tokens[email]


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Asks with a good token, and every other time for a row that there is."""
    security = case.operation.definition.raw.get("security") or []
    if any("program" in way for way in security):
        case.headers["Authorization"] = f"Bearer {PROGRAM}"
    elif security:
        case.headers["Authorization"] = f"Bearer {_token(case.operation.path)}"
    for name, value in (case.path_parameters or {}).items():
        odd = zlib.crc32(f"{case.operation.label} {value}".encode()) % 2
        if name in ROWS and (name in DECOYS or odd):
            case.path_parameters[name] = ROWS[name]
