"""Name the shops whose histories can be shown.

Responsible for what they are called, the rules that fit them, and for reading or making up what
happened in them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.errors import UsageError
from streams.seeding import read_seed
from streams.simulated.plan import Plan
from streams.simulated.records import to_seed
from streams.simulated.shop import open_shop

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.seeding import Seed

DATA: Final = Path(__file__).resolve().parents[2] / "data"


class Shop(NamedTuple):
    """A history with the rules that fit it.

    Attributes
    ----------
    key
        Its name; that of its folder where it has one.
    title
        What it is.
    simulated
        What is made up of it; None for a real one, whose files lie in the folder.
    """

    key: str
    title: str
    simulated: Plan | None = None

    @property
    def events(self) -> Path:
        """The file of events of a real shop."""
        return DATA / self.key / "events.csv.gz"

    @property
    def rules(self) -> Path | None:
        """The rules file; None for the default pack."""
        return None if self.simulated else DATA / self.key / "rules.toml"

    def read(self, currency: str, progress: Callable[[int, int], None]) -> Seed:
        """Return the history.

        Parameters
        ----------
        currency
            What amounts of a real shop are in.
        progress
            Called with what is done and the whole.
        """
        if self.simulated is None:
            return read_seed([self.events], currency, progress)
        return to_seed(open_shop(self.simulated), progress)


SHOPS: Final = (
    Shop("online_retail", "a British online gift shop"),
    Shop("complete_journey", "a grocer's 2,469 households"),
)
SIMULATED: Final = Shop("simulated", "a made-up shop", Plan(seed=4))
"""Needs no data; ``rewake simulate --seed 4`` writes the same history. With this seed two records
are broken, so that there are dead letters to be seen."""


def find_shop(key: str) -> Shop:
    """Return the real shop of that name.

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
        raise UsageError(
            f"expected {found.events}; a clone has the data, and --synthetic needs none"
        )
    return found
