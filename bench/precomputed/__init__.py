"""Precomputed tables, which cells share: tokens, frozen states, embeddings, checker scores."""
