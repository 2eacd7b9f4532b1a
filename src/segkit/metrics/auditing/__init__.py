"""Auditing: what arithmetic alone says about a published table of results.

Reads tables; gives findings, and writes nothing.
"""
