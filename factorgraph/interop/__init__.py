"""To and from other systems."""
