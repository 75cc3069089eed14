"""Recount customers from the input log, and compare with state, changes and cache.

`gather` reads what Kafka and Redis hold of a sample of customers, `recount` says by the oracle
(`segmenters.oracle`) what must have come of their facts, `verdict` compares. Nothing here may write
anywhere, and nothing here may judge by the engine: it decodes rows, and that is all it is used for.
"""
