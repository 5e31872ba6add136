"""The architectures of super-resolution whose files are known, a module for each family."""
