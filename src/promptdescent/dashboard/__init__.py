"""The live page: the runs of a store in a browser, and what each of them came to. It only reads the store."""
