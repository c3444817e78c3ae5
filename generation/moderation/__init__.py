"""What a request may ask to see: rules over its words, asked before anything is held."""
