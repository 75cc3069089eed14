"""Name the shops whose histories can be shown.

Responsible for where their files lie and what they are called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from schemas.errors import UsageError

DATA: Final = Path(__file__).resolve().parents[2] / "data"


class Shop(NamedTuple):
    """A history with the rules that fit it.

    Attributes
    ----------
    key
        Name of its folder.
    title
        What it is.
    """

    key: str
    title: str

    @property
    def events(self) -> Path:
        """The file of events."""
        return DATA / self.key / "events.csv.gz"

    @property
    def rules(self) -> Path:
        """The rules file."""
        return DATA / self.key / "rules.toml"


SHOPS: Final = (
    Shop("online_retail", "a British online gift shop"),
    Shop("complete_journey", "a grocer's 2,469 households"),
)


def find_shop(key: str) -> Shop:
    """Return the shop of that name.

    Raises
    ------
    UsageError
        When there is none, or its files are not here.

    Examples
    --------
    >>> find_shop("online_retail").title
    'a British online gift shop'
    """
    found = next((shop for shop in SHOPS if shop.key == key), None)
    if found is None:
        names = " or ".join(shop.key for shop in SHOPS)
        raise UsageError(f"--data: expected {names}, got {key!r}")
    if not found.events.is_file():
        raise UsageError(f"expected {found.events}; the demo runs in a clone, which has the data")
    return found
