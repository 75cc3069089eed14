"""Decide which segment every customer is in, without I/O, clock or logging."""
