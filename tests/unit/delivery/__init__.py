"""Delivery: each accepted effect, from its share in a lane to its one final status."""
