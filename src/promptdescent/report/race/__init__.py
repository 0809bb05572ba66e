"""What a race shows: its record, tables and files."""
