"""Test kit for actors: systems without ceremony, probes, simulation, faults, conformance."""

from engine.testing._kit import Probe, open_system

__all__ = ["Probe", "open_system"]
