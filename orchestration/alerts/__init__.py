"""Alerts: who is told that a feed, a check or a run is broken, and that it is well again."""
