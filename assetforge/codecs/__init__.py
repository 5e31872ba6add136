"""The only package that turns files into textures and back; color is encoded and decoded here and nowhere else."""
