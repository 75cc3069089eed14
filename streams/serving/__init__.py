"""Serve lookups over HTTP: customers, segments, changes as they happen, and the live page.

Read in this order: `service` (what runs), `app` (what is answered where), `gate` (what every
request passes), then the module of an endpoint.
"""
