"""What a prompt is optimized for: rows and their splits, what a prompt drives, and how an answer is scored."""
