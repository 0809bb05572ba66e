"""What every optimizer needs around the update: where prompts start, which are scored and how, who survives, when it
ends.
"""
