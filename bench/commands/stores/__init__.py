"""Commands on a store: what is in it, and whether it is whole."""
