static void dense_bytes@suffix(const uint8_t *x, size_t inputs, const int8_t *weights, const int32_t *bias, const float *factors,
                        size_t step, size_t outputs, @number *y)
{
    size_t i;
    memcpy(sums, bias, outputs * sizeof *sums);
    add_nonzero_in_integers(x, inputs, weights, outputs, sums);
    for (i = 0; i < outputs; i++) {
        const float value = (float)sums[i] * factors[step * i];
        y[i] = @value;
    }
}
