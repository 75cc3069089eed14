"""Carry fetch results from Kafka to the lanes, and effects back, inside Faust.

Responsible for what of Faust and aiokafka has to behave otherwise so that nothing is lost: whole
fetch results instead of records, an epoch per seek, positions that are never guessed, one
transactional producer per partition. Must not know events, customers or segments.
"""
