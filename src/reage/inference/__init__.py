"""Using a trained model: ONNX Runtime sessions, the face ager and its results."""
