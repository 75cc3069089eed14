"""Write what is durable to other stores.

Responsible for one module per store. A store never stops the engine, and never runs ahead of it.
"""
