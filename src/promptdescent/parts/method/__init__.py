"""Update method: how far a rewrite may go, and what kind of rewrite it is."""
