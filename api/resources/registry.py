"""The registration of another fork's installations with its makers: this one calls nobody."""

import msgspec

from api.endpoint import Ctx, Routes, super_user

routes = Routes("/ticketz/registry", tag="operations", guard=super_user)


class Registration(msgspec.Struct, frozen=True):
    """That there is none; frontends then ask for none."""

    disabled: bool = True


@routes.get()
async def show_registration(ctx: Ctx) -> Registration:
    """Tell that this installation registers nowhere."""
    return Registration()


@routes.post()
async def register(ctx: Ctx) -> Registration:
    """Tell the same; nothing is sent to anybody."""
    return Registration()
