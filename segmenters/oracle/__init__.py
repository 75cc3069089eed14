"""Say a second time, naively, which segments customers are in, to hold the engine to it.

Responsible for re-reading all facts of a customer at every judgement, as the semantics say it and
nothing cleverer. Slow on purpose. It must not share a line with what it judges: it imports nothing
of ours (a contract of import-linter holds that), and what it needs is typed a second time.
"""
