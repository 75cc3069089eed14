"""Name this part of the oracle where tests look for it; it lives in `segmenters.oracle.book`."""

from segmenters.oracle.book import *  # noqa: F403
