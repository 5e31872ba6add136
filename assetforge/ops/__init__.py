"""Pure functions on tensors. No files, no parameters objects, no state."""
