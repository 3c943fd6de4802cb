"""Test kit for actors: systems without ceremony, probes, simulation, faults, conformance."""

from engine.testing._conformance import check_mailbox
from engine.testing._faults import Faults, InjectedCrash
from engine.testing._kit import Probe, open_system
from engine.testing._simulation import DETERMINISTIC, Simulation, simulate

__all__ = [
    "DETERMINISTIC",
    "Faults",
    "InjectedCrash",
    "Probe",
    "Simulation",
    "check_mailbox",
    "open_system",
    "simulate",
]
