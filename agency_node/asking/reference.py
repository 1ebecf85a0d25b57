"""The short reference that people say on the phone: eight characters, no look-alikes, the last a check character."""

from typing import Final

from keys.digest import sha256

ALPHABET: Final = "ABCDEFGHJKMNPQRTUVWXYZ2346789"
"""29 characters: without I, L, O, S, 0, 1 and 5, which are misread or misheard. 29 is prime, so the check character
finds every single wrong character and every swap of neighbours."""

DATA_CHARS: Final = 7


def spoken_reference(query_id: str) -> str:
    """The reference of a query, such as `K7QM-2RXD`. It identifies nothing outside the agency's own list of queries."""
    number = int.from_bytes(sha256(b"wardgate/reference/v1\0" + query_id.encode())[:8])
    digits = []
    for _ in range(DATA_CHARS):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(digit)
    text = "".join(ALPHABET[digit] for digit in [*digits, _check(digits)])
    return f"{text[:4]}-{text[4:]}"


def is_reference(text: str) -> bool:
    """Whether a reference was written down right: separators and case do not matter."""
    plain = text.replace("-", "").replace(" ", "").upper()
    if len(plain) != DATA_CHARS + 1 or not set(plain) <= set(ALPHABET):
        return False
    digits = [ALPHABET.index(char) for char in plain]
    return digits[-1] == _check(digits[:-1])


def _check(digits: list[int]) -> int:
    return sum(weight * digit for weight, digit in enumerate(digits, start=1)) % len(ALPHABET)
