"""A pipeline bound to its sources: jobs with content keys and reasons. Touches no pixel."""
