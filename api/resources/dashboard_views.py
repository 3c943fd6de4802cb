"""What dashboards show, under the names that each frontend reads."""

import msgspec
from msgspec import field

from storage.views.departments import DepartmentBrief


class Counters(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The tiles; times in minutes, shares in percent."""

    avg_support_time: float
    avg_first_reply_time: float
    avg_wait_time: float
    support_happening: int
    support_pending: int
    support_finished: int
    leads: int
    tickets: int
    wait_rating: int
    without_rating: int
    with_rating: int
    perc_rating: float
    nps_promoters_perc: float
    nps_passive_perc: float
    nps_detractors_perc: float
    nps_score: float


class Attendant(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One agent's row; times in minutes."""

    id: int
    name: str
    online: bool
    avg_wait_time: float
    avg_support_time: float
    tickets: int
    rating: float
    count_rating: int


class Dashboard(msgspec.Struct, frozen=True):
    """The whole page."""

    counters: Counters
    attendants: list[Attendant]


class ByUser(msgspec.Struct, frozen=True):
    """Cases of one agent, under the names that its chart reads."""

    nome: str
    quantidade: int


class UserChart(msgspec.Struct, frozen=True):
    """Cases by agent."""

    data: list[ByUser]


class ByTime(msgspec.Struct, frozen=True, omit_defaults=True):
    """Cases of a day (`24/11/2026`) or, where a single day is asked, of an hour."""

    total: int
    data: str | None = None
    horario: str | None = None


class DayChart(msgspec.Struct, frozen=True):
    """Cases by day or hour."""

    count: int
    data: list[ByTime]


class TicketsNow(msgspec.Struct, frozen=True, kw_only=True):
    """Active tickets of a department in a status."""

    status: str
    department_id: int | None = field(name="queueId")
    count: int
    department: DepartmentBrief | None = field(name="queue")


class UserNow(msgspec.Struct, frozen=True):
    """Whether an agent is here."""

    id: int
    name: str
    online: bool


class StatusNow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What waits now, and who is here."""

    tickets_status_summary: list[TicketsNow]
    users_status_summary: list[UserNow]


class Series(msgspec.Struct, frozen=True):
    """Counts by day."""

    label: str
    value: int


class TicketStatistics(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Averages in seconds."""

    avg_wait_time: float | None
    avg_service_time: float | None
    avg_first_reply_time: float | None
    total_closed: int
    new_contacts: int


class PartLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The cases of one department or connection; averages in seconds."""

    id: int
    name: str
    total_tickets: int
    open_tickets: int
    closed_tickets: int
    avg_wait_time: float | None
    avg_first_reply_time: float | None
    avg_service_time: float | None


class TicketReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The cases of a period."""

    start: str
    end: str
    ticket_counters: dict[str, list[Series]]
    ticket_statistics: TicketStatistics
    by_department: list[PartLine]
    by_connection: list[PartLine]


class UserLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One agent's cases; averages in seconds."""

    id: int
    name: str
    avg_wait_time: float | None
    avg_service_time: float | None
    avg_first_reply_time: float | None
    total_tickets: int
    open_tickets: int
    closed_tickets: int
    average_rating: float | None
    online: bool


class UserReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The agents in a period."""

    start: str
    end: str
    user_report: list[UserLine]


class Count(msgspec.Struct, frozen=True):
    """One number."""

    count: int
