"""The only memory: an append-only record of runs, their replies and what they cost."""
