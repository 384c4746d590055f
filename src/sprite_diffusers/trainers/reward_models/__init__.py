"""Small scorers of sprites, in the file formats of the published ones, from synthetic preferences: clean before spoilt."""
