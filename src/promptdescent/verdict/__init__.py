"""What the test rows say of a run's prompts: measured, in words, and as a fragment of HTML for notebooks."""
