"""Re-age faces in photos with the exported model; needs no training framework."""
