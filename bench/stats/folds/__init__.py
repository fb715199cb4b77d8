"""Statistics of a cross-validation, in which each seed tests one fold of the real rows."""
