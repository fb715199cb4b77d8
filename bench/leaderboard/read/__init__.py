"""Reads finished cells: predictions, metrics, cost, weights and versions."""
