"""Look and compare: pages, tables and listings of runs."""
