static void bytes_of_floats(const float *x, size_t count, float level, uint8_t *y)
{
    size_t i;
    for (i = 0; i < count; i++) {
        y[i] = to_byte(x[i] / level);
    }
}
