"""Reporting: what happened while weights were trained, as one page."""
