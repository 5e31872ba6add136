"""One trainer for the networks of all plugins, which hand it recipes."""
