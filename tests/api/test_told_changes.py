"""Every mutating route is heard of by the browsers that show what it changed, or named as silent.

A new route that is in neither table fails here: either its change is published, or somebody says
why nobody listens.
"""

from collections.abc import Sequence
from typing import Any

from actors.channels.base import Phone, SharedContact
from api.endpoint.declaration import Endpoint
from api.realtime import wire
from api.routes import table
from storage.events import DomainEvent
from tests.api.conftest import World
from tests.api.mutations import call, prepared

VERBS = {
    **dict.fromkeys(("create", "add"), "create"),
    **dict.fromkeys(("change", "update", "attach", "detach"), "update"),
    **dict.fromkeys(("delete", "remove"), "delete"),
}
"""What a handler of this name is told as, unless `TOLD` says otherwise."""

HEARD: dict[str, tuple[str, str, str]] = {
    "announcements": ("company-announcement company-{c}-announcement", "record", "id"),
    "campaigns": ("company-{c}-campaign", "record", "id"),
    "chatbot": ("company-{c}-chatbot", "chatbot", "chatbotId"),
    "connections": ("company-{c}-whatsapp", "whatsapp", "whatsappId"),
    "contact_list_items": ("company-{c}-ContactListItem", "record", "id"),
    "contact_lists": ("company-{c}-ContactList", "record", "id"),
    "contacts": ("company-{c}-contact", "contact", "contactId"),
    "departments": ("company-{c}-queue", "queue", "queueId"),
    "file_lists": ("company{c}-file", "fileList", "fileId"),
    "helps": ("company-{c}-help", "record", "id"),
    "prompt": ("company-{c}-prompt prompt", "prompt", "intelligenceId"),
    "queueIntegration": ("company-{c}-queueIntegration", "queueIntegration", "integrationId"),
    "quick_messages": ("company-{c}-quickmessage company-{c}-quickemessage", "record", "id"),
    "schedules": ("company{c}-schedule company-{c}-schedule", "schedule", "scheduleId"),
    "tags": ("company{c}-tag tag", "tag", "tagId"),
    "tickets": ("company-{c}-ticket", "ticket", "ticketId"),
    "users": ("company-{c}-user", "user", "userId"),
}
"""Nouns, their events' names, the key of the record, and the key of its id when it is gone."""

TOLD: dict[str, str] = {
    "api_helps.create": "company-{c}-help:create:record",
    "api_helps.change": "company-{c}-help:update:record",
    "api_helps.delete": "company-{c}-help:delete:id",
    "campaigns.save_settings": "company-{c}-campaignSettings:update:record",
    "chatbot.create": "company-{c}-chatbot:update:chatbot",
    "chats.create": "company-{c}-chat-user-{u}:create:record",
    "chats.mark_read": "company-{c}-chat:update:chat",
    "chats.remove": "company-{c}-chat:delete:id",
    "chats.say": "company-{c}-chat:new-message:newMessage",
    "chats.update": "company-{c}-chat-user-{u}:update:record",
    "connections.create": "company-{c}-whatsapp:update:whatsapp",
    "connections.restart": "company-{c}-whatsappSession:update:session",
    "connections.start": "company-{c}-whatsappSession:update:session",
    "connections.stop": "company-{c}-whatsappSession:update:session",
    "contact_files.ensure": "company-{c}-contact:create:contact",
    "contact_files.import_file": "company-{c}-contact:reload:count",
    "contact_files.import_one": "company-{c}-contact:create:contact",
    "contact_files.import_phone": "company-{c}-contact:reload:count",
    "contact_files.import_there": "company-{c}-contact:reload:count",
    "contacts.merge": "company-{c}-contact:delete:contactId",
    "contacts.block": "company-{c}-contact:update:contact",
    "contacts.toggle_audio": "company-{c}-contact:update:contact",
    "contacts.toggle_bot": "company-{c}-contact:update:contact",
    "departments.create": "company-{c}-queue:update:queue",
    "external_messages.send": "company-{c}-appMessage:create:message",
    "file_lists.remove_all": "company{c}-file:delete:fileId",
    "file_lists.upload": "company{c}-file:update:fileList",
    "forwards.forward": "company-{c}-appMessage:create:message",
    "forwards.forward_there": "company-{c}-appMessage:create:message",
    "interactive_messages.send_call": "company-{c}-appMessage:create:message",
    "interactive_messages.send_copy": "company-{c}-appMessage:create:message",
    "interactive_messages.send_link": "company-{c}-appMessage:create:message",
    "interactive_messages.send_list": "company-{c}-appMessage:create:message",
    "interactive_messages.send_pix": "company-{c}-appMessage:create:message",
    "mailing_lists.upload": "company-{c}-ContactListItem-{l}:reload:records",
    "messages.edit": "company-{c}-appMessage:update:message",
    "messages.edit_there": "company-{c}-appMessage:update:message",
    "messages.react": "company-{c}-appMessage:create:message",
    "messages.react_there": "company-{c}-appMessage:create:message",
    "messages.remove": "company-{c}-appMessage:update:message appMessage-{c}:update:message",
    "messages.send": "company-{c}-appMessage:create:message",
    "operator_connections.remove_any": "company-{b}-whatsapp:delete:whatsappId",
    "operator_connections.restart_all": "company-{c}-whatsappSession:update:session",
    "operator_connections.stop_any": "company-{b}-whatsappSession:update:session",
    "operator_connections.update_any": "company-{c}-whatsapp:update:whatsapp",
    "setting_files.set_logo": "company-{c}-settings:update:setting",
    "setting_files.set_logo_there": "company-{c}-settings:update:setting",
    "setting_files.set_public": "company-{c}-settings:update:setting",
    "settings.write_column": "company-{c}-settings:update:setting",
    "settings.write_installation": "company-{c}-settings:update:setting settings:update:setting",
    "settings.write_setting": "company-{c}-settings:update:setting settings:update:setting",
    "tagging.leave_lanes": "company-{c}-ticket:update:ticket",
    "tagging.put_in_lane": "company-{c}-ticket:update:ticket",
    "tagging.set_wallets": "company-{c}-contact:update:contact",
    "tagging.tag_contact": "company-{c}-contact:update:contact",
    "tagging.untag_contact": "company-{c}-contact:update:contact",
    "telephony.keep": "company-{c}-whatsapp:update:whatsapp",
    "telephony.remove": "company-{c}-whatsapp:update:whatsapp",
    "tickets.close_all": "company-{c}-ticket:delete:ticketId",
    "tickets.create": "company-{c}-ticket:update:ticket",
    "tickets.mark_unread": "company-{c}-ticket:update:ticket",
    "users.set_picture": "company-{c}-user:update:user",
    "users.set_width": "company-{c}-user:update:user",
}
"""What single routes are told as: `name:action:key`, where the noun's rule does not say it."""

SILENT: dict[str, str] = {
    "api_companies": "operators' pages ask anew",
    "api_invoices": "operators' pages ask anew",
    "api_partners": "operators' pages ask anew",
    "api_plans": "operators' pages ask anew",
    "api_tokens": "the page of tokens asks anew",
    "company_book": "operators' pages ask anew",
    "flows": "the editor holds what it saves; nobody else draws in it",
    "front": "a version is asked for at a page's start",
    "invoices": "operators' pages ask anew; paying is told by its own event",
    "login_sessions": "sockets of an ended session are told and dropped",
    "number_checks": "nothing changes",
    "plans": "operators' pages ask anew",
    "queue_options": "the options are asked for when their department is opened",
    "registry": "nothing changes",
    "schedules_message": "the page asks anew",
    "setting_files.set_certificate": "a secret of the operator's",
    "setting_files.set_private": "a secret of the operator's",
    "ticket_notes": "the drawer asks anew when it is opened",
    "translations": "texts are asked for at a page's start",
}
"""Nouns and routes that no browser listens for, and why that is enough."""


PUBLIC: dict[str, str] = {
    "auth.login": "the user's other browsers hear of it, see below",
    "auth.logout": "sockets of the session are told and dropped (`test_withdrawals`)",
    "auth.refresh": "it is the same session",
    "front.receive_at_root": "an address that answers, nothing changes",
    "passwords.forgot": "a letter is sent",
    "passwords.forgot_there": "a letter is sent",
    "passwords.reset": "every session ends, their sockets with them",
    "passwords.reset_there": "every session ends, their sockets with them",
    "sign_ups.sign_up": "nobody of the new company is here yet",
    "sign_ups.sign_up_there": "nobody of the new company is here yet",
    "whatsapp.receive": "what it brings is told by the actors (`test_conversations`)",
    "whatsapp.receive_connection": "what it brings is told by the actors (`test_conversations`)",
}
"""Mutating routes without a login, and who hears of them."""


def expected(endpoint: Endpoint) -> str:
    """What must be told of a call: `name:action:key`, some of them; "" of a silent one."""
    noun, _, verb = endpoint.name.partition(".")
    told, quiet = TOLD.get(endpoint.name), {noun, endpoint.name} & set(SILENT)
    if told is None and noun in HEARD and verb in VERBS:
        names, record, gone = HEARD[noun]
        action = VERBS[verb]
        key = gone if action == "delete" else record
        told = " ".join(f"{name}:{action}:{key}" for name in names.split())
    assert bool(told) != bool(quiet), f"{endpoint.name}: is its change told, or why is it not?"
    return told or ""


def told(events: Sequence[DomainEvent]) -> set[str]:
    """`name:action:key` of everything that browsers heard."""
    return {
        f"{push.name}:{push.payload.get('action')}:{key}"
        for event in events
        for push in wire.pushes(event)
        for key, value in push.payload.items()
        if value is not None
    }


def listening(world: World) -> list[DomainEvent]:
    """Every event from here on, as it is handed over."""
    heard: list[DomainEvent] = []
    publisher: Any = world.app.parts.database.publisher
    hand_over = publisher._hand_over

    def listen(pairs: Sequence[tuple[int, DomainEvent]]) -> None:
        heard.extend(event for _, event in pairs)
        hand_over(pairs)

    publisher._hand_over = listen
    return heard


def test_every_mutation_without_a_login_is_spoken_of() -> None:
    assert set(PUBLIC) == {
        endpoint.name
        for endpoint in table()
        if endpoint.built and endpoint.guard.public and endpoint.method != "GET"
    }


async def test_a_login_is_told_to_that_users_browsers_alone_and_holds_no_token(
    world: World,
) -> None:
    heard = listening(world)
    answer = await world.login("user@a.test")
    pushes = [push for event in heard for push in wire.pushes(event)]
    [push] = [push for push in pushes if push.name == f"company-{world.a.id}-auth"]
    assert push.rooms == (f"user-{world.a.user_id}",)
    assert push.payload["action"] == "update"
    assert push.payload["user"]["id"] == world.a.user_id
    assert answer.json()["token"] not in str(push.payload)


async def test_every_mutation_is_told_or_silent_on_purpose(world: World) -> None:
    heard = listening(world)
    phone = Phone(phone="5511988880000")
    world.app.simulator.address_book = (SharedContact(formatted_name="Ana", phones=(phone,)),)
    seen: set[str] = set()
    for endpoint in await prepared(world):
        heard.clear()
        answer = await call(world, endpoint)
        assert answer.status == 200, (endpoint.name, answer.body)
        places = {"c": world.a.id, "b": world.b.id, "u": world.a.user_id}
        places["l"] = world.a.rows["contact_list_id"]
        wanted = set(expected(endpoint).format(**places).split())
        found = told(heard)
        assert wanted <= found, (endpoint.name, wanted, found)
        if not wanted:  # reports of messages sent before may come at any time
            assert not {one for one in found if "-appMessage:update:" not in one}, endpoint.name
        seen |= {endpoint.name, endpoint.name.partition(".")[0]}
    assert set(TOLD) | set(SILENT) | set(HEARD) <= seen
