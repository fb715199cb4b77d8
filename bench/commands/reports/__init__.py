"""Commands on results: reports, comparisons, weights, and the error rates of the statistics."""
