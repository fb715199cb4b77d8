"""The documentation site: the pages of `docs/`, the README, and a card for each method and task, built by MkDocs."""
