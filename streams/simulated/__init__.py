"""Make up a shop: customers who come, browse, buy, send back, drift off and return, by a seed.

Responsible for histories one can believe, of any size and without anybody's data in them: for the
demo, the benchmark and the tests. Must not judge customers: what they are is known here by what
they were made to be, never by the engine's rules.

All chance comes from numpy generators seeded by the plan, each part with one of its own. What is
drawn is an integer, or becomes one at once, so nothing rests on how a machine rounds: the same seed
gives the same shop everywhere.

One file for each part, in the order in which they act: `plan` (what is wanted), `visits` (who comes
on which day), `catalogue` (what there is to buy), `touches` (what is done besides buying), `shop`
(all of it as one history), `defects` (what happens to records on their way), `wire` (events as
JSON), `records` (a shop as Kafka records), `rows` (a shop as a file for `rewake replay`), `figures`
(what was made, counted).
"""
