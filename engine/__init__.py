"""Actor-model engine on trio."""
