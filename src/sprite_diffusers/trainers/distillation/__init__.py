"""Distillation: a trained class-conditional flow that draws in one or two steps."""
