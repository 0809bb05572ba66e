"""Update direction: what is said of the current prompt, and of the prompts before it."""
