"""A race of our recipes and other systems: the same rows, models and metric, and as many tokens for each."""
