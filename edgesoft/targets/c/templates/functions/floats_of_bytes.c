static void floats_of_bytes(const uint8_t *x, size_t count, float level, float *y)
{
    size_t i;
    for (i = 0; i < count; i++) {
        y[i] = (float)x[i] * level;
    }
}
