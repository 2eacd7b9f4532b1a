"""Places to run: one plan of independent, resumable tasks, carried out here, by SLURM or by Ray.

Reads plans; writes the launch folder of an experiment (plan, states, logs) and what its tasks make.
"""
