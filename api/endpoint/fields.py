"""Bounded field types for bodies and queries: what Postgres cannot hold never gets that far."""

from typing import Annotated

from msgspec import Meta

Int = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
"""A number for an integer column."""

Id = Annotated[int, Meta(ge=1, le=2**53 - 1)]
"""A row's id as browsers can hold it exactly."""

Page = Annotated[int, Meta(ge=1, le=1_000_000)]
"""A page number, counted from 1."""

Short = Annotated[str, Meta(max_length=255)]
"""A name, a key, an address."""

Text = Annotated[str, Meta(max_length=65_536)]
"""A message's or a note's text."""
