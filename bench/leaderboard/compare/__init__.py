"""Comparisons of methods: with the baseline, in all pairs, with their shuffles, across tasks."""
