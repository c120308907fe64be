"""The sample organisation: a seeded simulator that writes raw feed files and the truth in them."""

from orchestration.sample.parameters import PlantedEffects, SampleParameters
from orchestration.sample.simulation import SampleReport, draw, simulate

__all__ = ["PlantedEffects", "SampleParameters", "SampleReport", "draw", "simulate"]
