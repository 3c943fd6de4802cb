"""Contact cards as text (RFC 2426), read leniently: what is not understood is left out."""

from actors.channels.inbound import Phone, SharedContact

_BEGIN = "BEGIN:VCARD"
_END = "END:VCARD"


def cards_in(text: str) -> tuple[SharedContact, ...]:
    """Every card of a text; none where it holds no card with a name or a number."""
    found = (_card(part.partition(_END)[0]) for part in text.split(_BEGIN)[1:])
    return tuple(card for card in found if card is not None)


def _card(text: str) -> SharedContact | None:
    """One card; None without a name or a number."""
    unfolded = text.replace("\r", "").replace("\n ", "").replace("\n\t", "")
    fields: dict[str, list[tuple[str, str]]] = {}
    for line in unfolded.split("\n"):
        head, _, value = line.partition(":")
        name, _, parameters = head.partition(";")
        kind = name.rpartition(".")[2].strip().upper()  # `item1.TEL` is a grouped TEL
        if value.strip():
            fields.setdefault(kind, []).append((parameters, _plain(value)))
    phones = tuple(_phone(parameters, value) for parameters, value in fields.get("TEL", ()))
    name = _first(fields, "FN") or (phones[0].phone if phones else "")
    if not name:
        return None
    family, _, given = _first(fields, "N").partition(";")
    return SharedContact(
        formatted_name=name,
        first_name=given.partition(";")[0],
        last_name=family,
        organization=_first(fields, "ORG").partition(";")[0],
        birthday=_first(fields, "BDAY"),
        phones=phones,
        emails=tuple(value for _, value in fields.get("EMAIL", ())),
        urls=tuple(value for _, value in fields.get("URL", ())),
        vcard=f"{_BEGIN}{text.rstrip()}\n{_END}",
    )


def _first(fields: dict[str, list[tuple[str, str]]], kind: str) -> str:
    return fields[kind][0][1] if kind in fields else ""


def _phone(parameters: str, value: str) -> Phone:
    pairs = (part.partition("=") for part in parameters.lower().split(";"))
    named = {name: given for name, _, given in pairs}
    return Phone(phone=value, type=named.get("type", ""), wa_id=named.get("waid", ""))


def _plain(value: str) -> str:
    return value.strip().replace("\\n", "\n").replace("\\,", ",").replace("\\;", ";")
