"""What one city takes on, whoever asks: admission, credit, quota, descriptors, memory."""
