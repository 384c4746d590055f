"""Generators of one pass: adversarial training with its stabilisers, a variational autoencoder beside it, and studies of both."""
