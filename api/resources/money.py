"""Sums of money as people write them."""

from decimal import Decimal, InvalidOperation

from api.errors import Detail, Invalid


def amount(text: str, path: str) -> Decimal:
    """A sum of money; `1.234,50` and `1234.50` are the same. Raises Invalid."""
    plain = text.strip().replace("R$", "").strip()
    if "," in plain:
        plain = plain.replace(".", "").replace(",", ".")
    try:
        found = Decimal(plain or "0")
    except InvalidOperation as error:
        raise Invalid(Detail(path, "not an amount")) from error
    if not found.is_finite() or abs(found) >= 10**10:
        raise Invalid(Detail(path, "not an amount"))
    return found.quantize(Decimal("0.01"))
