"""Metrics on masks, each under its own name: `confusion`, `surface`, `shape`, `objects`,
`calibration`; and what is made of them: `statistics`, `protocols`, `audit`.
"""
