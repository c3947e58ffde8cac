"""A page for each error code; loaded only where one is asked for."""
