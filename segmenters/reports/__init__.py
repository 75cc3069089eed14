"""Look at many customers at once: what rules would change, and how a shop's customers are spread.

Responsible for figures over a whole history, at one instant. Must not read files, print, or decide
about a customer: what a customer is comes from the engine's changes, or from the definition.
"""
