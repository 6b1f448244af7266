"""Timelines: the score, a show's clock, and several of them over the devices of one room."""
