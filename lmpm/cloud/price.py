"""What a provider takes for tokens, where the manifest states it: nobody else says so in a way that can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lmpm.fs import Table

PER: Final = 1_000_000  # tokens
MOST: Final = 10_000.0  # dollars: more is a slip of the pen


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens that are read (`input`) and written (`output`)."""

    input: float
    output: float

    def of(self, read: int, written: int) -> float:
        """Dollars for so many tokens."""
        return (self.input * read + self.output * written) / PER


@dataclass(frozen=True, slots=True)
class Cost:
    """What asking a provider takes: about so many requests and tokens read, at most so many written.

    `dollars` is None where the manifest states no price.
    """

    requests: int
    read: int
    written: int
    dollars: float | None

    @classmethod
    def at(cls, price: Price | None, *, requests: int, read: int, written: int) -> Cost:
        """The cost at a price, or at one that is not stated."""
        return cls(requests, read, written, price.of(read, written) if price else None)


def read_price(table: Table) -> Price | None:
    """The `price` in a provider's table; None without one. Raises DocumentError."""
    if "price" not in table:
        return None
    price = table.table("price")
    found = {key: price.number(key) for key in ("input", "output")}
    for key, dollars in found.items():
        if not 0 <= dollars <= MOST:
            raise price.fail(key, f"expected dollars for a million tokens, from 0 to {MOST:,.0f}")
    price.finish()
    return Price(**found)
