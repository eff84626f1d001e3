static float others[@others];

/* One place; of its surroundings, those beyond the edge are left out. */
static void convolve_place(const float *x, size_t height, size_t width, size_t channels, size_t line, size_t column, const float *weights,
                           const float *bias, size_t outputs, float *sums)
{
    size_t across, down;
    memcpy(sums, bias, outputs * sizeof *sums);
    for (across = 0; across < 3; across++) {
        for (down = 0; down < 3; down++, weights += channels * outputs) {
            const size_t u = column + across, v = line + down;
            if (u >= 1 && u <= width && v >= 1 && v <= height) {
                add_products(x + ((v - 1) * width + u - 1) * channels, channels, weights, outputs, sums);
            }
        }
    }
}
