"""How the networks of this plugin are trained. The evaluation does the same damage to pictures."""
