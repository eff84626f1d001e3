/* With few inputs a place, a product is too short for a vector of them: eight outputs are computed at once instead. */
static void convolve_few_bytes@suffix(const uint8_t *x, size_t height, size_t width, size_t channels, size_t side, const int8_t *weights,
                               const int32_t *bias, const float *factors, size_t step, size_t outputs, @number *y)
{
    const size_t inputs = 9 * channels, lane = 3 * channels * (width + 2), row = (outputs + 7) / 8 * 8;
    int32_t most[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    size_t line, column, done, place, i;
    for (line = 0; line + side <= height; line += side) {
        for (i = 0; i < side; i++) {
            gather(x, height, width, channels, line + i, gathered + i * lane);
        }
        for (column = 0; column + side <= width; column += side, y += outputs) {
            for (done = 0; done < outputs; done += 8) {
                for (place = 0; place < side * side; place++) {
                    const input_t *const from = gathered + place / 2 * lane + 3 * channels * (column + place % 2);
                    eight_products(from, inputs, weights + done, row, place == 0, most);
                }
                for (i = 0; i < 8 && done + i < outputs; i++) {
                    const float value = (float)(most[i] + bias[done + i]) * factors[step * (done + i)];
                    y[done + i] = @value;
                }
            }
        }
    }
}
