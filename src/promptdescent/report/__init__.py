"""What the store holds of a run, for people and programs: record, verdict in words, cost. It calls no model."""
