/* The sums of a place are those of its surroundings that lie within the picture. */
static void convolve(const float *x, size_t height, size_t width, size_t channels, size_t side, const float *weights, const float *bias,
                     size_t outputs, float *y)
{
    size_t line, column, place, i;
    for (line = 0; line + side <= height; line += side) {
        for (column = 0; column + side <= width; column += side, y += outputs) {
            for (place = 0; place < side * side; place++) {
                float *const sums = place == 0 ? y : others;
                convolve_place(x, height, width, channels, line + place / 2, column + place % 2, weights, bias, outputs, sums);
                for (i = 0; place > 0 && i < outputs; i++) {
                    y[i] = sums[i] > y[i] ? sums[i] : y[i];
                }
            }
        }
    }
}
