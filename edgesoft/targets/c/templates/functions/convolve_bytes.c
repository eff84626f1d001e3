static void convolve_bytes@suffix(const uint8_t *x, size_t height, size_t width, size_t channels, size_t side, const int8_t *weights,
                           const int32_t *bias, const float *factors, size_t step, size_t outputs, @number *y)
{
    const size_t inputs = 9 * channels, lane = 3 * channels * (width + 2);
    int32_t sums[4];
    size_t line, column, done, count, i;
    for (line = 0; line + side <= height; line += side) {
        for (i = 0; i < side; i++) {
            gather(x, height, width, channels, line + i, gathered + i * lane);
        }
        for (column = 0; column + side <= width; column += side, y += outputs) {
            const input_t *const from = gathered + 3 * channels * column;
            for (done = 0; done < outputs;) {
                count = side == 2 ? pooled_products(from, channels, lane, weights + done * inputs, sums)
                                  : products(from, inputs, weights + done * inputs, outputs - done, sums);
                for (i = 0; i < count; i++, done++) {
                    const float value = (float)(sums[i] + bias[done]) * factors[step * done];
                    y[done] = @value;
                }
            }
        }
    }
}
