"""The language server: what editors ask about model texts."""
