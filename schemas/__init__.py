"""Say what the words of Rewake mean: events, changes, profiles, topics, money, instants, errors.

Everything here is a value or a pure function of values. Nothing in this package reads a clock, a
file or a socket, logs, or awaits; nothing here imports ``segmenters`` or ``streams``.
"""
