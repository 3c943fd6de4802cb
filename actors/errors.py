"""Refusals of the domain: expected answers, each with the stable code that reaches the wire."""

from engine import Address, Refusal


class DomainRefusal(Refusal):
    """Base of the expected noes of this system; `code` is the family's error code."""

    code: str = "ERR_REFUSED"


class InvalidRequest(DomainRefusal):
    """What was asked contradicts the state it was asked of (HTTP 400)."""

    code = "ERR_VALIDATION"


class UnknownTicket(DomainRefusal):
    """No such ticket of this contact (HTTP 404)."""

    code = "ERR_NO_TICKET_FOUND"


class UnknownMessage(DomainRefusal):
    """No such message in this conversation (HTTP 404)."""

    code = "ERR_NO_MESSAGE_FOUND"


class UnknownContact(DomainRefusal):
    """No such contact in this company (HTTP 404)."""

    code = "ERR_NO_CONTACT_FOUND"


class DuplicatedContact(InvalidRequest):
    """Another contact of the company has this number (HTTP 400)."""

    code = "ERR_DUPLICATED_CONTACT"


class UnknownConnection(DomainRefusal):
    """No such connection in this company (HTTP 404)."""

    code = "ERR_NO_WAPP_FOUND"


class NoDefaultConnection(InvalidRequest):
    """No connection was named, and the company has no usable default (HTTP 400)."""

    code = "ERR_NO_DEF_WAPP_FOUND"


class OtherOpenTicket(InvalidRequest):
    """The contact already has an active ticket on that connection (HTTP 400)."""

    code = "ERR_OTHER_OPEN_TICKET"

    def __init__(self, ticket_id: int) -> None:
        super().__init__(f"ticket {ticket_id} is still active")
        self.ticket_id = ticket_id


class NotConnected(InvalidRequest):
    """The connection has no live session (HTTP 400)."""

    code = "ERR_WAPP_NOT_INITIALIZED"


class AccountRefused(NotConnected):
    """The provider does not serve the connection's account: `reason` is its code (HTTP 400)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason


class NotSupported(InvalidRequest):
    """The channel of this connection cannot do that (HTTP 400)."""

    code = "ERR_NOT_SUPPORTED_BY_CHANNEL"


class NotEditable(InvalidRequest):
    """Only our own, sent, undeleted messages can be edited (HTTP 400)."""

    code = "ERR_EDITING_WAPP_MSG"


class NotDeletable(InvalidRequest):
    """Only our own messages and private notes can be deleted for everyone (HTTP 400)."""

    code = "ERR_DELETE_WAPP_MSG"


class NotForwardable(InvalidRequest):
    """A deleted message, a note, a reaction or a file that is not here cannot be passed on (400)."""

    code = "ERR_FETCH_WAPP_MSG"


class UnknownUser(InvalidRequest):
    """The named user is not of this company (HTTP 404)."""

    code = "ERR_NO_USER_FOUND"


class UnknownDepartment(InvalidRequest):
    """The named department is not of this company (HTTP 404)."""

    code = "ERR_QUEUE_NOT_FOUND"


class Moved(DomainRefusal):
    """The contact was merged into another: ask again at `to`."""

    code = "ERR_CONTACT_MOVED"

    def __init__(self, to: Address) -> None:
        super().__init__(f"moved to {to}")
        self.to = to


class Busy(DomainRefusal):
    """Too much accepted work is unfinished; repeat after `retry_after` seconds.

    `company` tells a company over its share (HTTP 429) from a full node (HTTP 503).
    """

    code = "ERR_OVERLOADED"

    def __init__(self, *, retry_after: float, company: bool) -> None:
        super().__init__("too much work in flight")
        self.retry_after = retry_after
        self.company = company
