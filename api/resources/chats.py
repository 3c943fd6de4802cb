"""The internal chat: users of a company among themselves; members alone see a chat."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from actors.chat_events import ChatChanged, ChatMessageCreated, ChatRemoved
from api.endpoint import Ctx, Done, Id, Page, Routes, Short, Text, Upload
from api.endpoint.crud import SIZE
from api.endpoint.uploads import stored
from api.errors import Detail, Forbidden, Invalid
from storage import chats
from storage.chats import Chat
from storage.database import Tx
from storage.errors import NotFound
from storage.ids import UserId
from storage.views.chats import ChatMessageView, ChatView, chat_message_view, chat_view

routes = Routes("/chats", tag="chats", missing="ERR_NO_CHAT_FOUND", feature="use_internal_chat")


class ChatQuery(msgspec.Struct, kw_only=True, rename="camel"):
    """Which page."""

    page_number: Page = 1


class ChatPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of chats, the latest first."""

    records: list[ChatView]
    count: int
    has_more: bool


class MessagePage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of messages, oldest first."""

    records: list[ChatMessageView]
    count: int
    has_more: bool


class Person(msgspec.Struct):
    """A user to talk with; clients send users whole, their id counts."""

    id: Id


class ChatBody(msgspec.Struct, kw_only=True):
    """A chat's title, and its members besides its owner."""

    title: Short | UnsetType = UNSET
    users: list[Person] | UnsetType = UNSET


class Words(msgspec.Struct):
    """What is said."""

    message: Text = ""


@routes.get()
async def list_chats(ctx: Ctx, query: ChatQuery) -> ChatPage:
    """List the chats that the caller is a member of."""
    number, mine = query.page_number, chats.open_to(ctx.user_id)
    found, count = await chats.rows.page(
        ctx.parts.database, ctx.company_id, *mine, number=number, size=SIZE
    )
    more = count > (number - 1) * SIZE + len(found)
    return ChatPage(records=await _shown(ctx, found), count=count, has_more=more)


@routes.get("/{chat_id}")
async def show(ctx: Ctx, chat_id: int) -> ChatView:
    """Show a chat."""
    return (await _shown(ctx, [await _own(ctx, chat_id)]))[0]


@routes.post()
async def create(ctx: Ctx, body: ChatBody) -> ChatView:
    """Open a chat with other users."""
    title = "" if body.title is UNSET else body.title
    await ctx.snapshot()
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        chat = await chats.rows.insert(tx, ctx.company_id, title=title, owner_id=ctx.user_id)
        await chats.set_members(tx, ctx.company_id, chat.id, _with(body, ctx.user_id))
        (view,) = await _shown(ctx, [chat], tx)
        tx.publish(ChatChanged(company_id=ctx.company_id, chat=view, created=True))
    return view


@routes.put("/{chat_id}")
async def update(ctx: Ctx, chat_id: int, body: ChatBody) -> ChatView:
    """Rename a chat or set its members; its owner alone may."""
    before = await _shown(ctx, [await _own(ctx, chat_id, owner=True)])
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        values = {} if body.title is UNSET else {"title": body.title}
        chat = await chats.rows.change(tx, ctx.company_id, chat_id, values)
        if body.users is not UNSET:
            await chats.set_members(tx, ctx.company_id, chat_id, _with(body, ctx.user_id))
        (view,) = await _shown(ctx, [chat], tx)
        staying = {member.user_id for member in view.users}
        gone = tuple(m.user_id for m in before[0].users if m.user_id not in staying)
        if gone:
            left = ChatRemoved(company_id=ctx.company_id, chat_id=chat_id, user_ids=gone)
            tx.publish(left)
        tx.publish(ChatChanged(company_id=ctx.company_id, chat=view))
    return view


@routes.delete("/{chat_id}")
async def remove(ctx: Ctx, chat_id: int) -> Done:
    """Delete a chat with its messages; its owner alone may."""
    (view,) = await _shown(ctx, [await _own(ctx, chat_id, owner=True)])
    members = tuple(member.user_id for member in view.users)
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        await chats.rows.delete(tx, ctx.company_id, chat_id)
        tx.publish(ChatRemoved(company_id=ctx.company_id, chat_id=chat_id, user_ids=members))
    return Done("Chat deleted")


@routes.get("/{chat_id}/messages")
async def list_messages(ctx: Ctx, chat_id: int, query: ChatQuery) -> MessagePage:
    """Show a page of a chat, newest page first, oldest message first on it."""
    await _own(ctx, chat_id)
    number = query.page_number
    found, count = await chats.messages.page(
        ctx.parts.database, ctx.company_id, *chats.in_chat(chat_id), number=number, size=SIZE
    )
    snapshot = await ctx.snapshot()
    shown = [chat_message_view(message, snapshot) for message in reversed(found)]
    more = count > (number - 1) * SIZE + len(found)
    return MessagePage(records=shown, count=count, has_more=more)


@routes.post("/{chat_id}/messages", files=1)
async def say(ctx: Ctx, chat_id: int, body: Words, uploads: tuple[Upload, ...]) -> ChatMessageView:
    """Say something in a chat, or send a file."""
    chat = await _own(ctx, chat_id)
    if not uploads and not body.message.strip():
        raise Invalid(Detail("$.message", "empty"))
    file = await stored(ctx, uploads) if uploads else {}
    snapshot = await ctx.snapshot()
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        said = await chats.say(tx, ctx.company_id, chat.id, ctx.user_id, body.message, **file)
        chat = await chats.rows.get(tx, ctx.company_id, chat_id)
        (view,) = await _shown(ctx, [chat], tx)
        message = chat_message_view(said, snapshot)
        tx.publish(ChatMessageCreated(company_id=ctx.company_id, chat=view, message=message))
    return message


@routes.post("/{chat_id}/read")
async def mark_read(ctx: Ctx, chat_id: int) -> ChatView:
    """Note that the caller has read the chat."""
    chat = await _own(ctx, chat_id)
    await ctx.snapshot()
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        await chats.mark_read(tx, ctx.company_id, chat_id, ctx.user_id)
        (view,) = await _shown(ctx, [chat], tx)
        tx.publish(ChatChanged(company_id=ctx.company_id, chat=view, read=True))
    return view


def _with(body: ChatBody, owner: UserId) -> list[UserId]:
    others = [] if body.users is UNSET else [UserId(person.id) for person in body.users]
    return [owner, *others]


async def _own(ctx: Ctx, chat_id: int, *, owner: bool = False) -> Chat:
    """A chat of the caller's. Raises NotFound, and Forbidden where only its owner may."""
    wanted = (*chats.rows.matching(equal={"id": chat_id}), *chats.open_to(ctx.user_id))
    found = await chats.rows.where(ctx.parts.database, ctx.company_id, *wanted)
    if not found:
        raise NotFound
    if owner and found[0].owner_id != ctx.user_id:
        raise Forbidden
    return found[0]


async def _shown(ctx: Ctx, found: Sequence[Chat], tx: Tx | None = None) -> list[ChatView]:
    snapshot = await ctx.snapshot()
    ids = [chat.id for chat in found]
    members = await chats.members(tx or ctx.parts.database, ctx.company_id, ids)
    return [chat_view(chat, members, snapshot) for chat in found]
