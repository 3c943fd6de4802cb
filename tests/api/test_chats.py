"""The internal chat is its members' alone."""

from actors.chat_events import ChatChanged, ChatMessageCreated, ChatRemoved
from api.realtime import wire
from tests.api.conftest import World


async def opened(world: World, *, members: bool = True) -> int:
    users = [{"id": world.a.user_id, "name": "whole users are sent"}] if members else []
    body = {"title": "Team", "users": users}
    made = await world.call("POST", "/chats", body, token=world.a.admin)
    assert made.status == 200, made
    return made.json()["id"]


async def test_members_talk_and_count_what_they_have_not_read(world: World):
    path = f"/chats/{await opened(world)}"
    for text in ("one", "two"):
        said = await world.call("POST", f"{path}/messages", {"message": text}, token=world.a.admin)
        assert said.json()["sender"]["id"] == world.a.admin_id
    listed = (await world.call("GET", "/chats/", token=world.a.user)).json()
    (chat,) = listed["records"]
    assert chat["lastMessage"] == "two"
    assert {m["userId"]: m["unreads"] for m in chat["users"]} == {
        world.a.admin_id: 0,
        world.a.user_id: 2,
    }
    page = (await world.call("GET", f"{path}/messages", token=world.a.user)).json()
    assert [message["message"] for message in page["records"]] == ["one", "two"]
    read = (await world.call("POST", f"{path}/read", {}, token=world.a.user)).json()
    assert all(member["unreads"] == 0 for member in read["users"])


async def test_who_is_no_member_sees_nothing_and_who_is_no_owner_changes_nothing(world: World):
    private = f"/chats/{await opened(world, members=False)}"
    for method, path in (("GET", private), ("GET", f"{private}/messages"), ("PUT", private)):
        assert (await world.call(method, path, {}, token=world.a.user)).status == 404
    assert (await world.call("GET", "/chats", token=world.a.user)).json()["count"] == 0
    shared = f"/chats/{await opened(world)}"
    for method in ("PUT", "DELETE"):
        assert (await world.call(method, shared, {}, token=world.a.user)).status == 403


async def test_a_member_who_is_left_out_is_told_that_the_chat_is_gone(world: World):
    told: list[object] = []
    published = world.app.parts.database.publisher

    def listen(pairs):
        told.extend(event for _, event in pairs)
        published(pairs)

    chat_id = await opened(world)
    world.app.parts.database.publisher = listen
    await world.call("PUT", f"/chats/{chat_id}", {"users": []}, token=world.a.admin)
    removed, changed = told
    assert isinstance(removed, ChatRemoved)
    assert isinstance(changed, ChatChanged)
    assert [push.rooms for push in wire.pushes(removed)] == [(f"user-{world.a.user_id}",)]
    assert [push.rooms for push in wire.pushes(changed)] == [(f"user-{world.a.admin_id}",)]


async def test_messages_reach_the_members_rooms_alone(world: World):
    told: list[object] = []
    published = world.app.parts.database.publisher

    def listen(pairs):
        told.extend(event for _, event in pairs)
        published(pairs)

    chat_id = await opened(world)
    world.app.parts.database.publisher = listen
    await world.call("POST", f"/chats/{chat_id}/messages", {"message": "hi"}, token=world.a.user)
    (event,) = told
    assert isinstance(event, ChatMessageCreated)
    pushes = list(wire.pushes(event))
    company = world.a.id
    assert [push.name for push in pushes] == [
        f"company-{company}-chat-{chat_id}",
        f"company-{company}-chat",
    ]
    members = {f"user-{world.a.admin_id}", f"user-{world.a.user_id}"}
    assert all(set(push.rooms) == members for push in pushes)
    assert pushes[0].payload["action"] == "new-message"
