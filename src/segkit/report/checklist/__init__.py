"""Reporting checklists, answered from what a run has written down.

`forms/` holds the questions, a CSV a form; `facts` what a run can say; `answering` joins the two.
"""
