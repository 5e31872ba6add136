"""How the networks of this plugin are trained; nothing here is needed to use them."""
