"""What is measured of trained generators: from which step digits are legible, and a GAN against a VAE."""
