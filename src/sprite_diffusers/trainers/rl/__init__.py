"""Reinforcement learning on diffusion pipelines: the sampling step as a policy, advantages, losses and guards."""
