"""Any number of pictures or rows into one file: in blocks, by many processes or machines, and on from where a killed run stopped."""
