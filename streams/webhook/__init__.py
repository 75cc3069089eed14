"""Post segment changes to an endpoint of somebody else's, behind the changes topic.

Responsible for delivery over HTTP in a process and a consumer group of its own: what is sent, in
which order, how often it is tried, where it goes when it is refused, and what is committed. Must
not touch the engine, its topics or its group: a slow endpoint slows nobody but itself.
"""
