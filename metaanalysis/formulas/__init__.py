"""All the mathematics: arrays in, arrays out. One question a file."""
