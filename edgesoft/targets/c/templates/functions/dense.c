/* The weights of one input lie side by side, so that several outputs can be computed at once. */
static void dense(const float *x, size_t inputs, const float *weights, const float *bias, size_t outputs, float *y)
{
    size_t i, j;
    for (j = 0; j < outputs; j++) {
        y[j] = bias[j];
    }
    for (i = 0; i < inputs; i++) {
        const float *const row = weights + i * outputs;
        const float value = x[i];
        for (j = 0; j < outputs; j++) {
            y[j] += value * row[j];
        }
    }
}
