"""Scripts that drive other systems, each in an environment of its own: they import it and Python, nothing of ours."""
