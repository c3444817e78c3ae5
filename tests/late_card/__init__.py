"""A simulated card, and the engine on it: what a card does to memory, copies and order, where a compiler is."""
