"""Comparisons of methods: with the baseline, in all pairs, with their own shuffle, across tasks."""
