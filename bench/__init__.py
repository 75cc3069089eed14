"""Benchmarks: figures as CPU per event and as ratios. Nothing here is part of the product."""
