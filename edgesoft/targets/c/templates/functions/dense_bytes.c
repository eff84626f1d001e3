static void dense_bytes@suffix(const uint8_t *x, size_t inputs, const int8_t *weights, const int32_t *bias, const float *factors,
                        size_t step, size_t outputs, @number *y)
{
    const input_t *const from = widened(x, inputs);
    int32_t sums[4];
    size_t done = 0, count, i;
    while (done < outputs) {
        count = products(from, inputs, weights + done * inputs, outputs - done, sums);
        for (i = 0; i < count; i++, done++) {
            const float value = (float)(sums[i] + bias[done]) * factors[step * done];
            y[done] = @value;
        }
    }
}
