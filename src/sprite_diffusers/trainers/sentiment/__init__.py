"""Classifiers of texts: an LSTM on reviews."""
