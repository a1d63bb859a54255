"""Benchmarks of the hub with real processes, a real disk and real wires, as ratios to reference loops."""
