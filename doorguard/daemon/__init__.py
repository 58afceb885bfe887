"""The loop that watches the door."""
