"""Name this part of the oracle where tests look for it; it lives in `segmenters.oracle.systems`."""

from segmenters.oracle.systems import *  # noqa: F403
