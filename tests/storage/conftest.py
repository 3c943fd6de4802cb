"""Fixtures of the storage tests alone."""

from collections.abc import Iterator

import pytest

from tests._postgres import TestServer


@pytest.fixture
def hurt() -> Iterator[TestServer]:
    """A server that a test may hurt."""
    server = TestServer().start()
    assert server._admin is not None
    server._wait(server._admin.close())  # it would not survive the test
    server._admin = None
    yield server
    server.stop()
