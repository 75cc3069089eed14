"""What is remembered about a customer, one kind of memory per file.

A measure owns row fields and the functions that keep them; systems read what it remembers as
features.
"""
