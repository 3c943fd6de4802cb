"""Handlers are registered from their annotations and checked when the class is defined."""

from collections.abc import Sequence

import pytest

from engine import Actor, Address, Command, DefinitionError, Forward, Turn, handler
from engine._command import R_co
from engine._handlers import reply_type


class Order(Command[R_co], frozen=True, kw_only=True):
    @property
    def to(self) -> Address:
        return Address("order", 0)


class Place(Order[int], frozen=True, kw_only=True):
    pass


class Cancel(Order[str | None], frozen=True, kw_only=True):
    pass


class Stranger(Command[int], frozen=True, kw_only=True):
    pass


def test_reply_types_are_found_through_generic_bases() -> None:
    assert reply_type(Place) is int
    assert reply_type(Cancel) == (str | None)


def test_a_complete_actor_registers_one_handler_per_command() -> None:
    class Orders(Actor, accepts=Order):
        @handler
        async def place(self, cmd: Place) -> int | Forward[int]:
            return 1

        @handler
        async def cancel(self, cmd: Cancel) -> None:
            return None

    assert set(Orders.handlers.specs) == {Place, Cancel}


def test_a_missing_handler_fails_at_class_creation() -> None:
    with pytest.raises(DefinitionError, match="no handler for Cancel"):

        class Orders(Actor, accepts=Order):
            @handler
            async def place(self, cmd: Place) -> int:
                return 1


@pytest.mark.parametrize("name", ["stop", "handlers", "address", "on_start", "mailbox"])
def test_a_handler_does_not_take_a_name_that_every_actor_has(name: str) -> None:
    async def place(self, cmd: Place) -> int:
        return 1

    with pytest.raises(DefinitionError, match="has a meaning in every actor"):
        type("Orders", (Actor,), {name: handler(place)})


def test_a_doubled_handler_fails_at_class_creation() -> None:
    with pytest.raises(DefinitionError, match="two handlers for Place"):

        class Orders(Actor):
            @handler
            async def place(self, cmd: Place) -> int:
                return 1

            @handler
            async def place_again(self, cmd: Place) -> int:
                return 1


@pytest.mark.parametrize("returned", [str, Forward[str], int | str, None])
def test_a_wrong_reply_type_fails_at_class_creation(returned: object) -> None:
    async def place(self: object, cmd: Place) -> int:
        return 1

    place.__annotations__["return"] = returned
    with pytest.raises(DefinitionError, match=r"returns|forwards"):
        type("Orders", (Actor,), {"place": handler(place)})


def test_a_fold_handler_with_a_reply_type_fails_at_class_creation() -> None:
    with pytest.raises(DefinitionError, match="returns"):

        class Orders(Actor):
            @handler(fold=3)
            async def place(self, turns: Sequence[Turn[Place]]) -> int:
                return 1


def test_a_fold_handler_without_turns_fails_at_class_creation() -> None:
    with pytest.raises(DefinitionError, match=r"Sequence\[Turn"):

        class Orders(Actor):
            @handler(fold=3)
            async def place(self, cmd: Place) -> None:
                return None


def test_a_command_outside_accepts_fails_at_class_creation() -> None:
    with pytest.raises(DefinitionError, match="not Stranger"):

        class Orders(Actor, accepts=Order):
            @handler
            async def stray(self, cmd: Stranger) -> int:
                return 1


def test_an_unannotated_handler_fails_at_class_creation() -> None:
    with pytest.raises(DefinitionError, match="one annotated command"):

        class Orders(Actor):
            @handler
            async def place(self, cmd):
                return 1


def test_a_synchronous_handler_fails_at_class_creation() -> None:
    with pytest.raises(DefinitionError, match="async method"):

        class Orders(Actor):
            @handler
            def place(self, cmd: Place) -> int:
                return 1


def test_an_overridden_handler_replaces_the_inherited_one() -> None:
    class Orders(Actor):
        @handler
        async def place(self, cmd: Place) -> int:
            return 1

    class Rush(Orders):
        @handler
        async def place(self, cmd: Place) -> int:
            return 2

    assert Rush.handlers.specs[Place].function is Rush.place
