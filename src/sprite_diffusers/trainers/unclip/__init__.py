"""The small unCLIP in stages: prior, decoder, super-resolution."""
