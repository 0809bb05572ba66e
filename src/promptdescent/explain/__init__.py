"""Measures, with calls: what each piece of a found prompt is worth, and which rows are doubtful."""
