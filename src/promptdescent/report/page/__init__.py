"""What a page says of a run: plain values in the order in which they are read, without a word of HTML."""
