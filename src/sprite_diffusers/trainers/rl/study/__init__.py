"""Does tuning by rewards help? Prompts that are kept apart, a search, folds, and what is told of them."""
