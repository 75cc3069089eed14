"""Show Rewake at work on one machine: real servers, a real shop's history, the real worker.

Responsible for the show alone: it starts what an operator starts, writes what producers write and
reads what marketing reads. Must not reach into the engine or the worker: what is shown came over
Kafka and Redis.

One file for each part, in the order in which they act: `shops` (whose history), `stage` (folder,
servers, child processes), `steps` (what takes how long), `preparation` (all before the worker),
`pace` (what is fed while it reads, if it is), `tally` and `feed` (what is heard), `view` (what is
seen), `show` (watching), `ending` (what remains to be said), `performance` (all of it in turn).
"""
