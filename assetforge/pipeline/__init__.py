"""From a YAML file to a frozen value, or to all of its mistakes with line and column."""
