"""The API: what can be asked for, a module for each kind of thing, and the table of them all."""
