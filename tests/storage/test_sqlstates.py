"""The one table of what a Postgres or driver error means."""

import asyncpg
import pytest

from storage.errors import Conflict, DatabaseUnavailable, Retryable, UniqueViolation
from storage.sqlstates import (
    connection_lost,
    is_transient,
    never_sent,
    outcome_unknown,
    server_leaves,
    sqlstate,
    translated,
)


def sent(state: str) -> asyncpg.PostgresError:
    """An error as the server sends it."""
    error: asyncpg.PostgresError = asyncpg.PostgresError.new({"C": state, "M": "said so"})
    return error


@pytest.mark.parametrize(
    ("state", "meaning"),
    [
        ("08006", DatabaseUnavailable),
        ("53300", DatabaseUnavailable),
        ("53100", DatabaseUnavailable),
        ("57P01", DatabaseUnavailable),
        ("57P03", DatabaseUnavailable),
        ("57014", DatabaseUnavailable),
        ("25006", DatabaseUnavailable),
        ("40001", Retryable),
        ("40P01", Retryable),
        ("55P03", Retryable),
        ("23505", UniqueViolation),
        ("23503", Conflict),
        ("23P01", Conflict),
    ],
)
def test_each_state_has_its_meaning_and_keeps_its_cause(state: str, meaning: type) -> None:
    error = sent(state)
    result = translated(error)
    assert type(result) is meaning
    assert result.__cause__ is error


@pytest.mark.parametrize("state", ["42601", "42703", "22021", "23502", "XX001"])
def test_faults_of_the_program_or_its_data_stay_as_they_are(state: str) -> None:
    error = sent(state)
    assert translated(error) is error
    assert not is_transient(error)


@pytest.mark.parametrize("state", ["08006", "53300", "57P01", "40001", "55P03", "25006"])
def test_transient_states_may_be_tried_again(state: str) -> None:
    assert is_transient(sent(state))


def test_a_link_that_breaks_midway_leaves_the_outcome_unknown() -> None:
    error = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
    assert outcome_unknown(error)
    assert sqlstate(error) is None
    assert type(translated(error)) is DatabaseUnavailable
    assert outcome_unknown(ConnectionResetError())


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 12; another operation is in progress"),
    ],
)
def test_a_statement_refused_by_the_driver_was_never_sent(error: Exception) -> None:
    assert never_sent(error)
    assert connection_lost(error)
    assert not outcome_unknown(error)


def test_wrong_use_of_the_driver_is_not_taken_for_a_broken_link() -> None:
    error = asyncpg.InterfaceError("the server expects 1 argument for this query, 2 were passed")
    assert not connection_lost(error)
    assert translated(error) is error


def test_only_the_servers_own_farewell_says_that_it_leaves() -> None:
    assert server_leaves(sent("57P01"))
    assert not server_leaves(sent("57014"))
    assert not server_leaves(ConnectionResetError())
