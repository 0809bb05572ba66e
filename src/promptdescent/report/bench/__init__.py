"""A bench as numbers, tables and figures: a suite of tasks, recipes and models with the same seeds."""
