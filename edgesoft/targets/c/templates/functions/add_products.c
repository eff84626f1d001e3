/* The weights of one input lie side by side, so that several outputs can be computed at once. An input that is 0 adds nothing. */
static void add_products(const float *x, size_t inputs, const float *weights, size_t outputs, float *sums)
{
    size_t i, j;
    for (i = 0; i < inputs; i++) {
        const float *const row = weights + i * outputs;
        const float value = x[i];
        for (j = 0; value != 0.0f && j < outputs; j++) {
            sums[j] += value * row[j];
        }
    }
}
