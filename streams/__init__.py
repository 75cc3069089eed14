"""Connect the engine to the world: Kafka in, Kafka and Redis out, and the commands around it.

This package owns all I/O, clocks, logging and tasks. What a customer's segment is gets decided in
`segmenters`, what the words mean stands in `schemas`; neither may import anything from here.
"""
