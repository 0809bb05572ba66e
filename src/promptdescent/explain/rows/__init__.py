"""Rows that a person should look at: doubtful labels, near-duplicates, rows that decide nothing."""
