"""Parameters are described by what their class says, in words a person has."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from segmenters.describe import default_of, meanings, parameters, table_of


class Inner(msgspec.Struct, frozen=True):
    """Hold a table within a table.

    Parameters
    ----------
    least_days, most_days
        From so many days to so many.
    """

    least_days: int = 1
    most_days: Annotated[int, msgspec.Meta(gt=0)] = 2


class Sample(msgspec.Struct, frozen=True):
    """Show every kind of parameter.

    Parameters
    ----------
    mode
        How, over
        two lines.
    height
        How much.
    names, days
        Which.
    inner
        More of it.

    Examples
    --------
    >>> 1
    1
    """

    mode: Literal["plain", "quantile"] = "plain"
    height: Annotated[int, msgspec.Meta(le=9, extra={"unit": "metres"})] = 3
    names: tuple[str, ...] = ()
    days: Annotated[tuple[int, int], msgspec.Meta(description="least and most")] = (1, 2)
    inner: Inner | None = None


class Inherited(Sample, frozen=True):
    """Say nothing of what it inherits."""


def test_types_ranges_units_and_meanings_are_read_off_the_class() -> None:
    assert [tuple(each) for each in parameters(Sample)] == [
        ("mode", "one of", '"plain", "quantile"', "plain", "", "How, over two lines.", False),
        ("height", "whole number", "at most 9", 3, "metres", "How much.", False),
        ("names", "list of texts", "", (), "", "Which.", False),
        ("days", "2 whole numbers", "least and most", (1, 2), "days of 24 h", "Which.", False),
        ("inner.least_days", "whole number", "", 1, "days of 24 h", "From so many days to so many.",
         True),
        ("inner.most_days", "whole number", "above 0", 2, "days of 24 h",
         "From so many days to so many.", True),
    ]  # fmt: skip
    assert table_of(Inner | None) is Inner
    assert table_of(int) is None
    assert meanings(Inherited)["inner"] == "More of it."
    assert list(meanings(Sample)) == ["mode", "height", "names", "days", "inner"]
    assert default_of(msgspec.structs.fields(Inner)[0]) == 1
