"""The web page: a thin layer over `FaceAger`, served from this machine."""
