"""Who may be in which room: the classic rule, under every dialect's names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.events import TicketPlace
from api.principal import Principal
from api.realtime import rooms, wire
from api.realtime.channel import NUMBER, ROOT, WORKSPACE
from api.sockets import viewer_of
from storage import ticket_lists
from storage.ids import CompanyId, DepartmentId, TicketId, UserId
from tests.api.realtime.harness import principal

ADMIN = principal(1, profile="admin")
AGENT = principal(2, departments=(5, 6))
OPEN_AGENT = principal(3, departments=(5,), all_ticket=True)
SUPER = principal(4, is_super=True)


@pytest.mark.parametrize(
    ("namespace", "parsed"),
    [
        ("/", (ROOT, None)),
        ("/12", (NUMBER, 12)),
        ("/workspace-12", (WORKSPACE, 12)),
        ("/0", None),
        ("/012", None),
        ("/12/", None),
        ("/workspace-", None),
        ("/workspace-x", None),
        ("/workspace-1 ", None),
        ("/\N{ARABIC-INDIC DIGIT ONE}", None),
        ("/admin", None),
        ("", None),
        ("/" + "9" * 30, None),
    ],
)
def test_namespaces_name_a_company_exactly(namespace: str, parsed: object) -> None:
    assert rooms.parse_namespace(namespace) == parsed


def test_admins_watch_the_company_and_agents_their_departments() -> None:
    assert rooms.notification_rooms(ADMIN) == ("company-1-notification",)
    assert rooms.notification_rooms(AGENT) == ("queue-5-notification", "queue-6-notification")
    assert rooms.notification_rooms(OPEN_AGENT) == (
        "queue-5-notification",
        "queue-null-notification",
    )


def test_agents_join_only_the_list_of_waiting_tickets() -> None:
    assert rooms.ticket_rooms(ADMIN, "open") == ("company-1-open",)
    assert rooms.ticket_rooms(AGENT, "open") == ()
    assert rooms.ticket_rooms(AGENT, "pending") == ("queue-5-pending", "queue-6-pending")
    assert rooms.ticket_rooms(OPEN_AGENT, "pending") == ("queue-5-pending", "queue-null-pending")


@pytest.mark.parametrize("status", ["", "undefined", "mainchannel", "notification", "admin", "*"])
def test_what_is_no_status_opens_no_room(status: str) -> None:
    assert rooms.ticket_rooms(ADMIN, status) == ()


def test_the_newer_dialects_join_what_is_permitted_at_once() -> None:
    for dialect in (NUMBER, WORKSPACE):
        joined = rooms.automatic_rooms(AGENT, dialect)
        assert set(rooms.notification_rooms(AGENT)) <= set(joined)
        assert set(rooms.ticket_rooms(AGENT, "pending")) <= set(joined)
        assert not {room for room in joined if room.startswith("company-1-")} - {
            "company-1-mainchannel",
            "company-1-agent",
        }


def test_nobody_is_in_a_room_of_a_department_that_is_not_theirs() -> None:
    foreign = rooms.department_notification(DepartmentId(7))
    for who in (AGENT, OPEN_AGENT):
        for dialect in (ROOT, NUMBER, WORKSPACE):
            assert foreign not in rooms.automatic_rooms(who, dialect)


def test_admin_and_agent_rooms_exclude_each_other() -> None:
    admin, agent = rooms.admins(CompanyId(1)), rooms.agents(CompanyId(1))
    for who, own, other in ((ADMIN, admin, agent), (SUPER, admin, agent), (AGENT, agent, admin)):
        joined = rooms.automatic_rooms(who, ROOT)
        assert own in joined
        assert other not in joined
    assert rooms.SUPER in rooms.automatic_rooms(SUPER, ROOT)
    assert rooms.SUPER not in rooms.automatic_rooms(ADMIN, ROOT)


PLACES = st.builds(
    TicketPlace,
    st.sampled_from(rooms.STATUSES),
    st.sampled_from([None, *map(DepartmentId, (5, 6, 7))]),
    st.sampled_from([None, *map(UserId, (2, 3))]),
    st.booleans(),
)
AGENTS = st.builds(
    principal,
    st.just(2),
    profile=st.sampled_from(["user", "admin"]),
    departments=st.lists(st.sampled_from([5, 6, 7]), unique=True).map(tuple),
    all_ticket=st.booleans(),
    all_user_chat=st.booleans(),
    allow_group=st.booleans(),
)


@given(place=PLACES, agent=AGENTS, dialect=st.sampled_from([ROOT, NUMBER, WORKSPACE]))
def test_who_asks_for_everything_hears_of_the_tickets_it_may_see_and_of_no_other(
    place: TicketPlace, agent: Principal, dialect: int
) -> None:
    joined = {*rooms.automatic_rooms(agent, dialect), *rooms.notification_rooms(agent)}
    for status in rooms.STATUSES:
        joined.update(rooms.ticket_rooms(agent, status))
    heard = not joined.isdisjoint(wire.watchers(CompanyId(1), TicketId(7), place))
    assert heard == ticket_lists.may_see(viewer_of(agent), place)
