"""Secret text fields of plain rows: sealed at rest, masked on the wire."""

import base64
from typing import Any, TypeVar

import msgspec

from storage.ids import CompanyId
from storage.secrets import SecretBox, is_masked, mask

R = TypeVar("R", bound=msgspec.Struct)


class Secret(msgspec.Struct, frozen=True):
    """What is sealed: one text."""

    value: str


class Sealing:
    """Seals the named fields of a noun; a value copied to another company does not open there."""

    def __init__(self, noun: str, fields: tuple[str, ...]) -> None:
        self._noun = noun
        self._fields = fields

    def sealed(
        self, box: SecretBox, company_id: CompanyId, values: dict[str, Any]
    ) -> dict[str, Any]:
        """Values as they are stored; a masked one that came back in a form changes nothing."""
        kept = dict(values)
        for name in self._fields:
            text = kept.get(name)
            if not isinstance(text, str) or not text:
                continue
            if is_masked(text):
                del kept[name]
            else:
                closed = box.seal(Secret(text), self._place(company_id, name))
                kept[name] = base64.b64encode(closed).decode()
        return kept

    def opened(self, box: SecretBox, company_id: CompanyId, name: str, text: str) -> str:
        """A stored value in clear. Raises SecretUnreadable."""
        if not text:
            return ""
        return box.open(base64.b64decode(text), self._place(company_id, name), Secret).value

    def masked(self, box: SecretBox, company_id: CompanyId, row: R) -> R:
        """The row as it is shown: that a secret is set, not what it is."""
        if not self._fields:
            return row
        shown = {
            name: mask(self.opened(box, company_id, name, getattr(row, name)))
            for name in self._fields
        }
        return msgspec.structs.replace(row, **shown)

    def _place(self, company_id: CompanyId, name: str) -> str:
        return f"{self._noun}.{name}:{company_id}"
