"""The versions of frontend and backend that the operators announce."""

from typing import Final

from storage.metadata import string
from storage.plain_rows import SharedRow, shared_table
from storage.repo import Repo

versions = shared_table("versions", string("version_frontend"), string("version_backend"))


class Version(SharedRow, frozen=True, kw_only=True, rename="camel"):
    """One row says what is installed."""

    version_frontend: str
    version_backend: str


rows: Final = Repo(versions, Version)
