"""Text to sprite in three stages: autoencoder, diffusion, alignment of the text encoder."""
