"""Inference on flat graphs."""
