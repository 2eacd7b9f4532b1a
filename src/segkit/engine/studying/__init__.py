"""Studying: questions about results that one command answers with a page.

Reads runs, certificates and prepared sets; writes a Markdown page with its pictures beside it.
"""
