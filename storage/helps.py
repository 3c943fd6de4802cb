"""Help pages of the operators: a title, a text, a film, a link."""

from typing import Final

from storage.metadata import string
from storage.plain_rows import SharedRow, shared_table
from storage.repo import Repo

helps = shared_table(
    "helps", string("title"), string("description"), string("video"), string("link")
)


class Help(SharedRow, frozen=True, kw_only=True, rename="camel"):
    """One help page."""

    title: str
    description: str
    video: str
    link: str


rows: Final = Repo(helps, Help, helps.c.title, search=("title", "description"))
