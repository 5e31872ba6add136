"""Descriptors: what stands beside exported textures, so that a program reads them as the material that they are."""
