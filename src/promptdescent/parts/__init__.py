"""The interchangeable parts of a prompt optimizer, one file per slot, in the paper's own order."""
