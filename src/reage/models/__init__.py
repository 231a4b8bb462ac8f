"""The networks: generator (encoder, age modulator, decoder) and discriminator."""
