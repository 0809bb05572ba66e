"""Scores nothing and fails."""

import sys

print("all is well so far", file=sys.stderr)
raise RuntimeError("the planted defect")
