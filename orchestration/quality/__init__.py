"""Judging deliveries, publishing the good ones, and closing periods on what is in force."""
