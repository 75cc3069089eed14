"""Benchmarks: one command each, figures printed as CPU per event and as ratios. Nothing here is part of the product."""
