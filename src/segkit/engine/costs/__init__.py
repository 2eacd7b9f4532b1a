"""Costs: parameters, MACs, scan operations, latency and memory of networks.

Reads architectures; writes nothing but what the command prints, and plots.
"""
