"""Decide which segment every customer is in: pure logic over numpy rows, without I/O, clock or logging."""
