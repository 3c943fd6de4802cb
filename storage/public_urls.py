"""Absolute addresses of stored files, as frontends expect them in views."""

import msgspec

from storage.ids import CompanyId


class PublicUrls(msgspec.Struct, frozen=True):
    """Where browsers reach this installation; no trailing slash.

    `backend` serves `/public/company{id}/…`, `frontend` the picture of those who have none.
    """

    backend: str = ""
    frontend: str = ""

    def file(self, company_id: CompanyId, path: str | None) -> str | None:
        """Turn a path below the company's public folder into an address; addresses stay."""
        if not path:
            return None
        if path.startswith(("https://", "http://")):
            return path
        return f"{self.backend}/public/company{company_id}/{path}"

    def picture(self, company_id: CompanyId, path: str | None) -> str:
        """Address of a contact's stored picture, or of the frontend's blank one."""
        if not path:
            return self.blank
        return f"{self.backend}/public/company{company_id}/contacts/{path}"

    @property
    def blank(self) -> str:
        """Address of the picture of somebody who has none."""
        return f"{self.frontend}/nopicture.png"


NOWHERE = PublicUrls()
"""Relative addresses: for tests and tools that show nothing to a browser."""
