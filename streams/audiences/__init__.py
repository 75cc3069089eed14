"""Answer who is in an audience: counts, members, exports, the call list.

Responsible for reading what the cache and the changes topic hold of those who fulfil some
conditions. Must not compute a segment, must not write to either, and contacts nobody.
"""
