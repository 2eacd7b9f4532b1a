"""The control group: the networks that a reader expects in the table, one folder each."""
